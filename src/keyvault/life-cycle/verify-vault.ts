import type { Clock } from "../../base/clock.ts";
import { FieldChecker } from "../../base/fields.ts";
import { createPace } from "../../base/pace.ts";
import type { Caller } from "../../identity/roles.ts";
import type { DataKeyLifeCycle } from "../../seal/life-cycle.ts";
import type { VaultStore } from "../vault-ports.ts";
import { type FoundFault, verifyAccount } from "./verify-account.ts";

const PAGE_SIZE = 100;
/** Accounts looked at at once, and a second: each that is not in its own small cache costs a KMS call. */
const AT_ONCE = 4;
const PER_SECOND = 400;

/** What verifying needs. */
export interface VerifyDeps {
  readonly vault: Pick<VaultStore, "accounts" | "headState" | "rowsOf" | "record" | "mostSeals">;
  readonly dataKeys: Pick<DataKeyLifeCycle, "openVerification">;
  readonly clock: Clock;
}

/** How far it has come. */
export interface VerifyProgress {
  readonly checkedCount: number;
  readonly faultCount: number;
  /** Since the progress before. */
  readonly faults: readonly FoundFault[];
  readonly isDone: boolean;
  /** At the end: the most stored records that any one data key has sealed. */
  readonly mostSeals: number;
}

/**
 * Opens every sealed key and compares every account with its head; tells of each fault, and stops at none. Data keys go through a small cache of its
 * own. The result is recorded in the audit. Throws FIELDS_INVALID, and what the store throws.
 */
export async function* verifyVault(
  deps: VerifyDeps,
  { actor }: { readonly actor: string },
  caller: Caller,
  signal: AbortSignal,
): AsyncGenerator<VerifyProgress> {
  const fields = new FieldChecker();
  fields.actor(actor);
  fields.done();
  const { vault } = deps;
  const verification = deps.dataKeys.openVerification();
  try {
    const pace = createPace(deps.clock, PER_SECOND);
    let checkedCount = 0;
    let faultCount = 0;
    let after = "";
    for (let isDone = false; !isDone; ) {
      const page = await vault.accounts(after, PAGE_SIZE);
      const faults: FoundFault[] = [];
      for (let start = 0; start < page.length; start += AT_ONCE) {
        const some = page.slice(start, start + AT_ONCE);
        await pace.next(some.length, signal);
        for (const report of await Promise.all(some.map((account) => verifyAccount(vault, verification, account)))) {
          checkedCount += report.checkedCount;
          faults.push(...report.faults);
        }
      }
      faultCount += faults.length;
      after = page.at(-1) ?? after;
      isDone = page.length < PAGE_SIZE;
      if (isDone) await recordVerified(deps, actor, caller, checkedCount, faultCount);
      yield { checkedCount, faultCount, faults, isDone, mostSeals: isDone ? await vault.mostSeals() : 0 };
    }
  } finally {
    verification.close();
  }
}

async function recordVerified(
  deps: VerifyDeps,
  actor: string,
  caller: Caller,
  checkedCount: number,
  faultCount: number,
): Promise<void> {
  const audit = {
    kind: "vault.verified",
    timeMs: deps.clock.nowMs(),
    caller: caller.spiffeId,
    actor,
    account: "",
    subject: "vault",
    details: { checked: String(checkedCount), faults: String(faultCount) },
  } as const;
  await deps.vault.record({ audit }, {});
}
