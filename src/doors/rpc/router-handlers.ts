import { create } from "@bufbuild/protobuf";
import { refuse } from "../../base/errors.ts";
import { type Estimate, type Placement, PlacementSchema } from "../../gen/plori/router/v1/router_pb.ts";
import {
  ExplainRouteResponseSchema,
  ListModelsResponseSchema,
  ListPlacementsResponseSchema,
  PlaceAgentsResponseSchema,
  RemoveAgentsResponseSchema,
  ReportOutcomeResponseSchema,
  type RouterService,
} from "../../gen/plori/router/v1/router_service_pb.ts";
import { Payer } from "../../gen/plori/type/v1/type_pb.ts";
import { type ExplainRouteDeps, explainRoute } from "../../router/explain-route.ts";
import { type ListModelsDeps, listModels } from "../../router/list-models.ts";
import { type ListPlacementsDeps, listPlacements } from "../../router/list-placements.ts";
import type { NamedPin } from "../../router/model-name.ts";
import { type PlaceAgentsDeps, placeAgents } from "../../router/place-agents.ts";
import type { Placement as StoredPlacement } from "../../router/ports.ts";
import { type RemoveAgentsDeps, removeAgents } from "../../router/remove-agents.ts";
import { type ReportOutcomeDeps, reportOutcome } from "../../router/report-outcome.ts";
import { type ResolveRouteDeps, resolveRoute } from "../../router/resolve-route.ts";
import type { UpdateRoutingPolicyDeps } from "../../router/update-routing-policy.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { candidateMessage } from "./candidate-message.ts";
import { createIdentityBlockHandlers, type IdentityBlockDeps } from "./identity-block-handlers.ts";
import { modelListMessage, modelMessage } from "./model-message.ts";
import { createPolicyHandlers } from "./policy-handlers.ts";
import { readReport, reportedFields } from "./report-message.ts";
import { createRevocationHandlers, type RevocationDeps } from "./revocation-handlers.ts";
import { routeMessage } from "./route-message.ts";
import { fromTimestamp, toTimestamp } from "./times.ts";
import { payerNumber, providerNumber, readProvider } from "./words.ts";

/** What the router's verbs need together. */
export type RouterDeps = ResolveRouteDeps &
  ExplainRouteDeps &
  ListModelsDeps &
  PlaceAgentsDeps &
  RemoveAgentsDeps &
  ListPlacementsDeps &
  UpdateRoutingPolicyDeps &
  ReportOutcomeDeps &
  RevocationDeps &
  IdentityBlockDeps;

/** The router's RPCs: messages in, verbs called, messages out. */
export function createRouterHandlers(deps: RouterDeps): ServiceHandlers<typeof RouterService> {
  return {
    ...createRevocationHandlers(deps),
    ...createIdentityBlockHandlers(deps),
    async resolveRoute({ account, agent, model, provider, callId, estimate }, { caller, codec }) {
      if (codec === "json") throw jsonRefused();
      const pin = readPin(provider);
      const input = { account, agent, model, callId, estimate: readEstimate(estimate), ...pin };
      const route = routeMessage(await resolveRoute(deps, input, caller));
      return { $typeName: "plori.router.v1.ResolveRouteResponse", route };
    },
    async reportOutcome(request, { caller }) {
      const reported = await reportOutcome(deps, readReport(request), caller);
      return create(ReportOutcomeResponseSchema, reportedFields(reported));
    },
    async explainRoute({ account, agent, model, provider, estimate }) {
      const pin = readPin(provider);
      const explained = await explainRoute(deps, { account, agent, model, estimate: readEstimate(estimate), ...pin });
      const candidates = explained.candidates.map(candidateMessage);
      if (explained.kind === "refused") {
        return create(ExplainRouteResponseSchema, { candidates, refusal: explained.refusal, payer: Payer.UNSPECIFIED });
      }
      return create(ExplainRouteResponseSchema, {
        candidates,
        payer: payerNumber(explained.payer),
        provider: providerNumber(explained.provider),
        upstreamModel: explained.upstreamModel,
      });
    },
    async listModels({ account, filter, pageSize, pageToken }) {
      const { models, nextPageToken, lists } = await listModels(deps, { account, filter, pageSize, pageToken });
      return create(ListModelsResponseSchema, {
        models: models.map(modelMessage),
        nextPageToken,
        lists: lists.map(modelListMessage),
      });
    },
    async placeAgents({ placements, requestId, actor }, { caller }) {
      const stored = await placeAgents(deps, { placements: placements.map(readPlacement), requestId, actor }, caller);
      return create(PlaceAgentsResponseSchema, { placements: stored.map(placementMessage) });
    },
    ...createPolicyHandlers(deps),
    async listPlacements({ account, host, agent, showExpired, pageSize, pageToken }) {
      const page = await listPlacements(deps, { account, host, agent, showExpired, pageSize, pageToken });
      const placements = page.placements.map(placementMessage);
      return create(ListPlacementsResponseSchema, { placements, nextPageToken: page.nextPageToken });
    },
    async removeAgents({ agents, requestId, actor }, { caller }) {
      return create(RemoveAgentsResponseSchema, await removeAgents(deps, { agents, requestId, actor }, caller));
    },
  };
}

/** A secret must not become a JSON string: one cannot be wiped, and it would pass through every log of bodies on its way. */
function jsonRefused(): Error {
  return refuse(
    "FIELDS_INVALID",
    "ResolveRoute answers in binary Protobuf only, since its answer holds a secret. Send application/proto or application/grpc.",
    { codec: "json" },
  );
}

/** The provider that a request pins, if it names one. */
function readPin(number: number): { readonly pin?: NamedPin } {
  const pin = readProvider(number);
  return pin === "unspecified" ? {} : { pin };
}

function readEstimate(estimate: Estimate | undefined): { inputTokens: bigint; maxOutputTokens: bigint } {
  return { inputTokens: estimate?.inputTokens ?? 0n, maxOutputTokens: estimate?.maxOutputTokens ?? 0n };
}

function readPlacement({ account, agent, host, generation, expireTime }: Placement) {
  return { account, agent, host, generation, expireMs: fromTimestamp(expireTime) };
}

function placementMessage({ account, agent, host, generation, expireMs }: StoredPlacement): Placement {
  return create(PlacementSchema, { account, agent, host, generation, expireTime: toTimestamp(expireMs) });
}
