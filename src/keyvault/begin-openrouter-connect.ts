import { hashField, requestKey } from "../audit/request-key.ts";
import type { Clock } from "../base/clock.ts";
import { invariant } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import type { Caller } from "../identity/roles.ts";
import { authorizationUrl } from "../providers/authorization-url.ts";
import type { Sealer } from "../seal/sealer.ts";
import { checkAccountAccess } from "./account-access.ts";
import { checkCallbackUrl, withConnectId } from "./callback-url.ts";
import { type BegunConnect, CONNECT_LIFE_MS, type ConnectStore } from "./connect-ports.ts";
import { connectTag, makeConnectId, makePkce, verifierIdentity } from "./pkce.ts";
import { keyName } from "./ports.ts";

const METHOD = "plori.keyvault.v1.KeyVaultService/BeginOpenRouterConnect";

/** What beginning a connect needs. */
export interface BeginOpenRouterConnectDeps {
  readonly connects: Pick<ConnectStore, "begin" | "findBegun">;
  readonly sealer: Pick<Sealer, "seal">;
  readonly clock: Pick<Clock, "nowMs">;
  /** Origins that users may be sent back to (`parseCallbackOrigins`). */
  readonly callbackOrigins: readonly string[];
  /** The origin that replaces OpenRouter's own. */
  readonly openRouterOrigin?: string | undefined;
}

/** Who connects, and where the user is to come back to. */
export interface BeginOpenRouterConnectInput {
  readonly account: string;
  readonly callbackUrl: string;
  readonly requestId: string;
  readonly actor: string;
}

/** A connect that was begun. */
export interface BegunAuthorization {
  /** Where the user approves. It holds the callback, so it is returned and kept nowhere. */
  readonly authorizationUrl: string;
  readonly connectId: string;
  readonly expireMs: number;
}

/**
 * Begins a one-click connect: makes a PKCE verifier, keeps it sealed, and returns the page on which the user approves.
 * Throws FIELDS_INVALID, ROLE_NOT_ALLOWED, RATE_LIMITED, REQUEST_ID_CONFLICT, and what the sealer and the store throw.
 */
export async function beginOpenRouterConnect(
  deps: BeginOpenRouterConnectDeps,
  input: BeginOpenRouterConnectInput,
  caller: Caller,
): Promise<BegunAuthorization> {
  const callback = checkBegin(deps, input, caller);
  const request = requestKey(input.requestId, caller, METHOD, input.account, {
    account: hashField(input.account),
    callback_url: hashField(input.callbackUrl),
    actor: hashField(input.actor),
  });
  const earlier = request === undefined ? undefined : await deps.connects.findBegun(request);
  const { connectId, codeChallenge, expireMs } = earlier ?? (await begin(deps, input, caller, request));
  return {
    authorizationUrl: authorizationUrl(withConnectId(callback, connectId), codeChallenge, deps.openRouterOrigin),
    connectId,
    expireMs,
  };
}

function checkBegin(deps: BeginOpenRouterConnectDeps, input: BeginOpenRouterConnectInput, caller: Caller): URL {
  const fields = new FieldChecker();
  fields.id("account", input.account);
  const callback = checkCallbackUrl(input.callbackUrl, deps.callbackOrigins);
  if (callback.kind === "wrong") fields.check(false, "callback_url", callback.problem);
  fields.requestId(input.requestId);
  fields.actor(input.actor);
  fields.done();
  checkAccountAccess(input.account, caller, "write");
  invariant(callback.kind === "ok", "a checked callback is there");
  return callback.url;
}

async function begin(
  deps: BeginOpenRouterConnectDeps,
  { account, actor }: BeginOpenRouterConnectInput,
  caller: Caller,
  request: ReturnType<typeof requestKey>,
): Promise<BegunConnect> {
  const connectId = makeConnectId();
  const { verifier, codeChallenge } = makePkce();
  try {
    const sealedVerifier = await deps.sealer.seal(verifierIdentity(account, connectId), verifier);
    const beginMs = deps.clock.nowMs();
    const expireMs = beginMs + CONNECT_LIFE_MS;
    return await deps.connects.begin(
      { account, connectId, codeChallenge, beginMs, expireMs, sealedVerifier },
      {
        audit: {
          kind: "connect.begun",
          timeMs: beginMs,
          caller: caller.spiffeId,
          actor,
          account,
          subject: keyName(account, "openrouter"),
          details: { connect: connectTag(connectId), provider: "openrouter" },
        },
        ...(request === undefined ? {} : { request }),
      },
    );
  } finally {
    verifier.wipe();
  }
}
