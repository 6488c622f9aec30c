import type { AuditEvent } from "../../audit/event.ts";
import type { Clock } from "../../base/clock.ts";
import { PloriError, refuse } from "../../base/errors.ts";
import type { AccountMacs } from "../../seal/account-mac.ts";
import { keyName } from "../ports.ts";
import type { HeadEntry, HeadState, NewHead, VaultRow, VaultStore } from "../vault-ports.ts";
import { entryOf, type HeadTrust, headBytes, judgeHead, type VaultFault, vouchesFor } from "./head.ts";

/** What keeping heads needs. */
export interface HeadKeeperDeps {
  readonly macs: AccountMacs;
  readonly vault: Pick<VaultStore, "headState" | "rowsOf" | "renewHead">;
  readonly clock: Pick<Clock, "nowMs">;
  /** Learns of every record that was refused, for the audit. Must not throw. */
  readonly report: (event: AuditEvent) => void;
}

/** A sealed key as its opener knows it. */
export type ClaimedKey = Pick<VaultRow, "account" | "keyId" | "version" | "sealed">;

/** Keeps each account's head: the record of which sealed keys it must have. */
export interface HeadKeeper {
  /**
   * Resolves when the account's head vouches for the key. Throws RECORD_CORRUPT when it does not (reported), ETAG_MISMATCH when the key was replaced
   * or removed since the caller read it, and what MACs throw (KMS_UNAVAILABLE, KEY_UNREADABLE).
   */
  check(key: ClaimedKey): Promise<void>;
  /** Has the audit record that a key was refused. */
  refused(key: ClaimedKey, fault: VaultFault): void;
  /** The head as it is stored, and how far it can be trusted. */
  read(account: string): Promise<{ readonly state: HeadState; readonly trust: HeadTrust }>;
  /** The head that follows `state`, with these entries. */
  next(account: string, state: HeadState, entries: readonly HeadEntry[]): Promise<NewHead>;
  /** Takes removals into the head, so that what was removed cannot be put back. Does nothing when there are none, or when the head cannot be trusted. */
  fold(account: string): Promise<void>;
}

/** Callers who need the same account's head at once share one look at it. */
export function createHeadKeeper(deps: HeadKeeperDeps): HeadKeeper {
  const { macs, vault, clock } = deps;
  const reading = new Map<string, ReturnType<HeadKeeper["read"]>>();

  async function read(account: string): ReturnType<HeadKeeper["read"]> {
    const state = await vault.headState(account);
    return { state, trust: judgeHead(state, await macHolds(macs, state)) };
  }

  function readShared(account: string): ReturnType<HeadKeeper["read"]> {
    const running = reading.get(account);
    if (running !== undefined) return running;
    const promise = read(account).finally(() => reading.delete(account));
    reading.set(account, promise);
    return promise;
  }

  async function next(account: string, state: HeadState, entries: readonly HeadEntry[]): Promise<NewHead> {
    const { head, removed, auditedEpoch } = state;
    const current = head?.epoch ?? 0;
    const epoch = Math.max(current, auditedEpoch) + 1;
    const { dataKeyVersion, mac } = await macs.mac(account, headBytes({ account, epoch, entries }));
    const replaces = { epoch: current, removedCount: removed.length };
    return { account, epoch, dataKeyVersion, entries, mac, replaces };
  }

  async function fold(account: string): Promise<void> {
    const { state, trust } = await read(account);
    if (state.removed.length === 0 || trust.kind !== "trusted") return;
    // Raced: whoever was first has folded the removals in, or the next look at the head will.
    await vault.renewHead(await next(account, state, trust.entries), {
      kind: "account.head-renewed",
      timeMs: clock.nowMs(),
      caller: "service",
      actor: "",
      account,
      subject: `accounts/${account}`,
      details: { removed: String(state.removed.length) },
    });
  }

  function refused(key: ClaimedKey, fault: VaultFault): void {
    deps.report({
      kind: "record.refused",
      timeMs: clock.nowMs(),
      caller: "service",
      actor: "",
      account: key.account,
      subject: keyName(key.account, key.keyId),
      details: { fault, version: String(key.version) },
    });
  }

  return {
    refused,
    read,
    next,
    fold,
    async check(key) {
      const claimed = entryOf(key);
      const shared = await readShared(key.account);
      if (isVouchedFor(shared.trust, claimed)) return;
      // The shared look may be older than the key; and the key may be older than what is stored now.
      const rows = await vault.rowsOf(key.account);
      const { trust } = await read(key.account);
      if (isVouchedFor(trust, claimed)) return;
      const isStored = rows.some((row) => vouchesFor([entryOf(row)], claimed));
      if (!isStored) {
        throw refuse("ETAG_MISMATCH", "The key was replaced or removed while it was read. Ask again.", {
          key: keyName(key.account, key.keyId),
        });
      }
      refused(key, trust.kind === "untrusted" ? trust.fault : "ROLLED_BACK");
      throw refuse(
        "RECORD_CORRUPT",
        "A sealed record is not the one that its account must have: it was put back or moved.",
      );
    },
  };
}

function isVouchedFor(trust: HeadTrust, claimed: HeadEntry): boolean {
  return trust.kind === "trusted" && vouchesFor(trust.entries, claimed);
}

/** A data key that is not there, or not ours, makes no MAC hold. Whatever says nothing about the head is thrown. */
export async function macHolds(macs: Pick<AccountMacs, "verifyMac">, { head }: HeadState): Promise<boolean> {
  if (head === undefined) return false;
  try {
    return await macs.verifyMac(head.account, head.dataKeyVersion, headBytes(head), head.mac);
  } catch (error) {
    if (error instanceof PloriError && error.reason === "RECORD_CORRUPT") return false;
    throw error;
  }
}
