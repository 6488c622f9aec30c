import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import type { Caller } from "../identity/roles.ts";
import { formatSpiffeId } from "../identity/spiffe-id.ts";
import { type BlockIdentityInput, checkSpiffeId } from "./block-identity.ts";
import type { IdentityBlock, IdentityBlockStore } from "./identity-block-ports.ts";

const METHOD = "plori.router.v1.RouterService/UnblockIdentity";

/** What unblocking an identity needs. */
export interface UnblockIdentityDeps {
  readonly identityBlocks: Pick<IdentityBlockStore, "unblock">;
  readonly trustDomain: string;
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * Lets an identity in again, durably; what was placed on its host does not come back. Returns the block as it was. The reason may be empty.
 * Throws FIELDS_INVALID, IDENTITY_BLOCK_NOT_FOUND or REQUEST_ID_CONFLICT.
 */
export async function unblockIdentity(
  deps: UnblockIdentityDeps,
  input: BlockIdentityInput,
  caller: Caller,
): Promise<IdentityBlock> {
  const { reason, requestId, actor } = input;
  const fields = new FieldChecker();
  const id = checkSpiffeId(fields, input.spiffeId, deps.trustDomain);
  const spiffeId = id === undefined ? "" : formatSpiffeId(id);
  fields.text("reason", reason, 0, LIMITS.blockReasonMaxChars);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  const request = requestKey(requestId, caller, METHOD, "", {
    spiffe_id: hashField(spiffeId),
    reason: hashField(reason),
    actor: hashField(actor),
  });
  return deps.identityBlocks.unblock(spiffeId, {
    audit: {
      kind: "identity.unblocked",
      timeMs: deps.clock.nowMs(),
      caller: caller.spiffeId,
      actor,
      account: "",
      subject: spiffeId,
      details: { reason },
    },
    ...(request === undefined ? {} : { request }),
  });
}
