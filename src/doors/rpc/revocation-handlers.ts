import { create } from "@bufbuild/protobuf";
import {
  type Revocation,
  RevocationCause as RevocationCauseNumber,
  RevocationSchema,
} from "../../gen/plori/router/v1/router_pb.ts";
import { type RouterService, WatchRevocationsResponseSchema } from "../../gen/plori/router/v1/router_service_pb.ts";
import { keyName } from "../../keyvault/ports.ts";
import type { RevocationCause, Revocation as StoredRevocation } from "../../router/revocation-ports.ts";
import { type WatchRevocationsDeps, watchRevocations } from "../../router/watch-revocations.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { toTimestamp } from "./times.ts";

/** What the revocations' RPCs need. */
export type RevocationDeps = WatchRevocationsDeps;

const CAUSE_NUMBERS = {
  KEY_DELETED: RevocationCauseNumber.KEY_DELETED,
  KEY_REPLACED: RevocationCauseNumber.KEY_REPLACED,
  KEY_FAILED: RevocationCauseNumber.KEY_FAILED,
  AGENT_REMOVED: RevocationCauseNumber.AGENT_REMOVED,
  AGENT_MOVED: RevocationCauseNumber.AGENT_MOVED,
  IDENTITY_BLOCKED: RevocationCauseNumber.IDENTITY_BLOCKED,
  ACCOUNT_SHREDDED: RevocationCauseNumber.ACCOUNT_SHREDDED,
  POLICY_CHANGED: RevocationCauseNumber.POLICY_CHANGED,
} as const satisfies Record<RevocationCause, RevocationCauseNumber>;

/** The revocations' RPCs: messages in, verbs called, messages out. */
export function createRevocationHandlers(
  deps: RevocationDeps,
): Pick<ServiceHandlers<typeof RouterService>, "watchRevocations"> {
  return {
    async *watchRevocations({ resumeToken }, { caller, signal }) {
      for await (const told of watchRevocations(deps, resumeToken, caller, signal)) {
        yield create(WatchRevocationsResponseSchema, {
          resumeToken: told.resumeToken,
          everything: told.everything,
          revocations: told.revocations.map(revocationMessage),
        });
      }
    },
  };
}

function revocationMessage({ account, agent, keyId, keyVersion, cause, timeMs }: StoredRevocation): Revocation {
  return create(RevocationSchema, {
    account,
    agent,
    key: keyId === "" ? "" : keyName(account, keyId),
    keyVersion: BigInt(keyVersion),
    cause: CAUSE_NUMBERS[cause],
    revokeTime: toTimestamp(timeMs),
  });
}
