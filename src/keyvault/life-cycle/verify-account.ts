import { PloriError } from "../../base/errors.ts";
import { PROVIDERS } from "../../base/provider.ts";
import type { Verification } from "../../seal/life-cycle.ts";
import { entryOf, judgeHead, type VaultFault, vouchesFor } from "../heads/head.ts";
import { macHolds } from "../heads/head-keeper.ts";
import { providerKeyIdentity } from "../open-credential.ts";
import { keyName } from "../ports.ts";
import type { HeadState, VaultRow, VaultStore } from "../vault-ports.ts";

/** Something that is not as it must be. */
export interface FoundFault {
  readonly account: string;
  /** The key's resource name, or the account's when it concerns its head. */
  readonly name: string;
  /** The key's version; 0 for a head. */
  readonly version: number;
  readonly fault: VaultFault;
}

/** What verifying an account found. */
export interface AccountReport {
  readonly checkedCount: number;
  readonly faults: readonly FoundFault[];
}

/** Opens every record of the account and compares all with its head. Never throws for what it finds. */
export async function verifyAccount(
  vault: Pick<VaultStore, "headState" | "rowsOf">,
  verification: Pick<Verification, "open" | "verifyMac">,
  account: string,
): Promise<AccountReport> {
  const report = await verifyOnce(vault, verification, account);
  // A key that came or went between two reads looks like a fault. What is wrong stays wrong.
  return report.faults.length === 0 ? report : await verifyOnce(vault, verification, account);
}

async function verifyOnce(
  vault: Pick<VaultStore, "headState" | "rowsOf">,
  verification: Pick<Verification, "open" | "verifyMac">,
  account: string,
): Promise<AccountReport> {
  const [state, rows] = await Promise.all([vault.headState(account), vault.rowsOf(account)]);
  const faults: FoundFault[] = [];
  for (const row of rows) {
    const fault = await faultOfRecord(verification, row);
    if (fault !== undefined) faults.push(found(row, fault));
  }
  return {
    checkedCount: rows.length,
    faults: [...faults, ...(await faultsOfHead(verification, account, state, rows, faults))],
  };
}

async function faultsOfHead(
  verification: Pick<Verification, "verifyMac">,
  account: string,
  state: HeadState,
  rows: readonly VaultRow[],
  known: readonly FoundFault[],
): Promise<FoundFault[]> {
  const ofHead = (fault: VaultFault): FoundFault => ({ account, name: `accounts/${account}`, version: 0, fault });
  let holds: boolean;
  try {
    holds = await macHolds(verification, state);
  } catch (error) {
    return [ofHead(faultOf(error))];
  }
  const trust = judgeHead(state, holds);
  if (trust.kind === "untrusted") return rows.length === 0 && state.head === undefined ? [] : [ofHead(trust.fault)];
  const alreadyFound = new Set(known.map(({ name }) => name));
  const rolledBack = rows
    .filter((row) => !vouchesFor(trust.entries, entryOf(row)) && !alreadyFound.has(keyName(account, row.keyId)))
    .map((row) => found(row, "ROLLED_BACK"));
  const missing = trust.entries
    .filter(({ keyId }) => !rows.some((row) => row.keyId === keyId))
    .map(({ keyId, version }) => found({ account, keyId, version }, "MISSING"));
  return [...rolledBack, ...missing];
}

async function faultOfRecord(verification: Pick<Verification, "open">, row: VaultRow): Promise<VaultFault | undefined> {
  const provider = PROVIDERS.find((known) => known === row.provider);
  if (provider === undefined) return "RECORD_CORRUPT";
  try {
    const secret = await verification.open(providerKeyIdentity(row.account, provider, row.version), row.sealed);
    secret.wipe();
    return undefined;
  } catch (error) {
    return faultOf(error);
  }
}

function faultOf(error: unknown): VaultFault {
  if (!(error instanceof PloriError)) throw error;
  if (error.reason === "RECORD_CORRUPT" || error.reason === "KEY_UNREADABLE") return error.reason;
  return "NOT_CHECKED";
}

function found(
  { account, keyId, version }: Pick<VaultRow, "account" | "keyId" | "version">,
  fault: VaultFault,
): FoundFault {
  return { account, name: keyName(account, keyId), version, fault };
}
