import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { type RoleMap, roleOf } from "../identity/role-map.ts";
import type { Caller } from "../identity/roles.ts";
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from "../identity/spiffe-id.ts";
import type { Blocked, IdentityBlockStore } from "./identity-block-ports.ts";

const METHOD = "plori.router.v1.RouterService/BlockIdentity";

/** What blocking an identity needs. */
export interface BlockIdentityDeps {
  readonly identityBlocks: Pick<IdentityBlockStore, "block">;
  /** Whose identities can be blocked: no other is ever let in. */
  readonly trustDomain: string;
  readonly roleMap: RoleMap;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Who is shut out, and why. */
export interface BlockIdentityInput {
  readonly spiffeId: string;
  readonly reason: string;
  readonly requestId: string;
  readonly actor: string;
}

/**
 * Shuts an identity out of both doors, durably: its connections end before this resolves. If it is an agent host's, everything that is placed there ends and its
 * leases are revoked. An identity without a role can be blocked as well: it may get one. Throws FIELDS_INVALID or REQUEST_ID_CONFLICT.
 */
export async function blockIdentity(
  deps: BlockIdentityDeps,
  input: BlockIdentityInput,
  caller: Caller,
): Promise<Blocked> {
  const { reason, requestId, actor } = input;
  const fields = new FieldChecker();
  const id = checkSpiffeId(fields, input.spiffeId, deps.trustDomain);
  const spiffeId = id === undefined ? "" : formatSpiffeId(id);
  // Whoever shut itself out could not let itself in again.
  fields.check(spiffeId !== caller.spiffeId, "spiffe_id", "must not be the caller's own");
  fields.text("reason", reason, 1, LIMITS.blockReasonMaxChars);
  fields.requestId(requestId);
  fields.actor(actor);
  fields.done();
  const held = id === undefined ? undefined : roleOf(deps.roleMap, id.path);
  const host = held?.role === "agent-host" ? held.name : undefined;
  const createMs = deps.clock.nowMs();
  const request = requestKey(requestId, caller, METHOD, "", {
    spiffe_id: hashField(spiffeId),
    reason: hashField(reason),
    actor: hashField(actor),
  });
  return deps.identityBlocks.block({ spiffeId, reason, createMs }, host, {
    audit: {
      kind: "identity.blocked",
      timeMs: createMs,
      caller: caller.spiffeId,
      actor,
      account: "",
      subject: spiffeId,
      details: { reason, ...(host === undefined ? {} : { host }) },
    },
    ...(request === undefined ? {} : { request }),
  });
}

/** The SPIFFE id that a request names; notes what is wrong with it. */
export function checkSpiffeId(fields: FieldChecker, text: string, trustDomain: string): SpiffeId | undefined {
  const id = parseSpiffeId(text);
  const isOurs = id?.trustDomain === trustDomain.toLowerCase();
  fields.check(isOurs, "spiffe_id", `must be a SPIFFE id of the trust domain ${trustDomain}`);
  return isOurs ? id : undefined;
}
