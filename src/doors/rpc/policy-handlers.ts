import { create } from "@bufbuild/protobuf";
import {
  GetRoutingPolicyResponseSchema,
  type RouterService,
  UpdateRoutingPolicyResponseSchema,
} from "../../gen/plori/router/v1/router_service_pb.ts";
import { getRoutingPolicy } from "../../router/get-routing-policy.ts";
import { type UpdateRoutingPolicyDeps, updateRoutingPolicy } from "../../router/update-routing-policy.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { policyMessage, readChoices } from "./policy-message.ts";

/** The RPCs about routing policies: messages in, verbs called, messages out. */
export function createPolicyHandlers(
  deps: UpdateRoutingPolicyDeps,
): Pick<ServiceHandlers<typeof RouterService>, "getRoutingPolicy" | "updateRoutingPolicy"> {
  return {
    async getRoutingPolicy({ account }) {
      const routingPolicy = policyMessage(account, await getRoutingPolicy(deps.policies, account));
      return create(GetRoutingPolicyResponseSchema, { routingPolicy });
    },
    async updateRoutingPolicy({ account, routingPolicy, updateMask, requestId, actor }, { caller }) {
      const { name = "", etag = "" } = routingPolicy ?? {};
      const wanted = routingPolicy === undefined ? undefined : readChoices(routingPolicy);
      const input = { account, wanted, name, etag, mask: updateMask?.paths ?? [], requestId, actor };
      const stored = await updateRoutingPolicy(deps, input, caller);
      return create(UpdateRoutingPolicyResponseSchema, { routingPolicy: policyMessage(account, stored) });
    },
  };
}
