import { grantCredits, publishPrices, recordUsage, sweepHolds } from "./ledger-commands.ts";
import { extendHold, releaseHold, reverseCharge, voidGrant } from "./ledger-corrections.ts";
import { draftPrices, publishDraft } from "./price-drafts.ts";
import { pruneAccountEvents } from "./writes/account-events.ts";
import { appendAudit } from "./writes/append-audit.ts";
import {
  auditHead,
  moveBase,
  noteExport,
  putCheckpoint,
  putSigningKey,
  removeBelowBase,
} from "./writes/audit-commands.ts";
import { beginConnect, claimConnect, endConnect, sweepConnects } from "./writes/connects.ts";
import { blockIdentity, unblockIdentity } from "./writes/identity-blocks.ts";
import { insertDataKey } from "./writes/insert-data-key.ts";
import { setCanary } from "./writes/installation.ts";
import { deferKeyProbe, setKeyState } from "./writes/key-states.ts";
import { deleteKey, noteKeysUsed, putKey } from "./writes/keys.ts";
import { deferModelList, putModelList } from "./writes/model-lists.ts";
import { placeAgents, removeAgents } from "./writes/placements.ts";
import { putPolicy } from "./writes/policies.ts";
import { release } from "./writes/release.ts";
import { sweepRevocations } from "./writes/revoke.ts";
import { beginRotation, endRotation, resealKey } from "./writes/rotation.ts";
import { shredAccount } from "./writes/shred.ts";
import { recordOnly, swapDataKey } from "./writes/swap-data-key.ts";
import { renewHead } from "./writes/vault-head.ts";

/**
 * Everything that the writing thread can do, by name. An executor runs inside the batch's transaction; it refuses by throwing `PloriError` before its
 * first write, and its input and answer are plain data that can cross to another thread.
 */
export const EXECUTORS = {
  appendAudit,
  insertDataKey,
  putKey,
  deleteKey,
  noteKeysUsed,
  setKeyState,
  deferKeyProbe,
  beginConnect,
  claimConnect,
  endConnect,
  sweepConnects,
  placeAgents,
  removeAgents,
  putPolicy,
  release,
  grantCredits,
  recordUsage,
  publishPrices,
  sweepHolds,
  renewHead,
  beginRotation,
  resealKey,
  endRotation,
  swapDataKey,
  recordOnly,
  shredAccount,
  setCanary,
  auditHead,
  putCheckpoint,
  putSigningKey,
  noteExport,
  moveBase,
  removeBelowBase,
  extendHold,
  releaseHold,
  voidGrant,
  reverseCharge,
  draftPrices,
  publishDraft,
  sweepRevocations,
  blockIdentity,
  unblockIdentity,
  deferModelList,
  putModelList,
  pruneAccountEvents,
} as const;

/** The name of something that the writing thread can do. */
export type CommandName = keyof typeof EXECUTORS;
/** What a command takes. */
export type CommandInput<N extends CommandName> = Parameters<(typeof EXECUTORS)[N]>[1];
/** What a command answers. */
export type CommandAnswer<N extends CommandName> = ReturnType<(typeof EXECUTORS)[N]>;
