import { PloriError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { HeadKeeper } from "../heads/head-keeper.ts";
import type { VaultStore } from "../vault-ports.ts";
import { resealAccount } from "./reseal-account.ts";
import type { RotateDeps } from "./rotate-account-key.ts";
import { rotateWornKey } from "./rotate-worn-key.ts";

const PAGE_SIZE = 100;

/** What mending the vault needs. */
export interface SweepDeps extends RotateDeps {
  readonly vault: RotateDeps["vault"] & Pick<VaultStore, "accountsToFold" | "accountsInRotation" | "accountsToRotate">;
  readonly heads: Pick<HeadKeeper, "read" | "next" | "fold">;
  readonly log: Log;
}

/**
 * Finishes what a process that died, or a KMS that was away, left half done: takes removals into heads, and seals records of rotated accounts anew.
 * Data keys that have sealed enough are rotated.
 * An account that fails is passed over until the next sweep.
 */
export async function sweepVault(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  const { vault, heads } = deps;
  await sweep(deps, signal, (after) => vault.accountsToFold(after, PAGE_SIZE), heads.fold);
  await sweep(
    deps,
    signal,
    (after) => vault.accountsToRotate(after, PAGE_SIZE),
    (account) => rotateWornKey(deps, account),
  );
  await sweep(
    deps,
    signal,
    (after) => vault.accountsInRotation(after, PAGE_SIZE),
    (account) => resealAccount(deps, account),
  );
}

async function sweep(
  deps: SweepDeps,
  signal: AbortSignal,
  pageAfter: (account: string) => Promise<readonly string[]>,
  mend: (account: string) => Promise<unknown>,
): Promise<void> {
  for (let after = ""; ; ) {
    const page = await pageAfter(after);
    for (const account of page) {
      if (signal.aborted) return;
      try {
        await mend(account);
      } catch (error) {
        // Without KMS the others would fail too.
        if (error instanceof PloriError && error.reason === "KMS_UNAVAILABLE") return;
        deps.log.warn("an account's vault is to be mended later", { account, err: error });
      }
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE_SIZE) return;
    after = last;
  }
}
