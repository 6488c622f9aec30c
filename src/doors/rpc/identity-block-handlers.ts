import { create } from "@bufbuild/protobuf";
import { type IdentityBlock, IdentityBlockSchema } from "../../gen/plori/router/v1/router_pb.ts";
import {
  BlockIdentityResponseSchema,
  ListIdentityBlocksResponseSchema,
  type RouterService,
  UnblockIdentityResponseSchema,
} from "../../gen/plori/router/v1/router_service_pb.ts";
import { type BlockIdentityDeps, blockIdentity } from "../../router/block-identity.ts";
import type { IdentityBlock as StoredBlock } from "../../router/identity-block-ports.ts";
import { type ListIdentityBlocksDeps, listIdentityBlocks } from "../../router/list-identity-blocks.ts";
import { type UnblockIdentityDeps, unblockIdentity } from "../../router/unblock-identity.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { toTimestamp } from "./times.ts";

/** What the RPCs about identity blocks need. */
export type IdentityBlockDeps = BlockIdentityDeps & UnblockIdentityDeps & ListIdentityBlocksDeps;

/** The RPCs about identity blocks: messages in, verbs called, messages out. */
export function createIdentityBlockHandlers(
  deps: IdentityBlockDeps,
): Pick<ServiceHandlers<typeof RouterService>, "blockIdentity" | "unblockIdentity" | "listIdentityBlocks"> {
  return {
    async blockIdentity({ spiffeId, reason, requestId, actor }, { caller }) {
      const { block, endedPlacementCount } = await blockIdentity(deps, { spiffeId, reason, requestId, actor }, caller);
      return create(BlockIdentityResponseSchema, { identityBlock: blockMessage(block), endedPlacementCount });
    },
    async unblockIdentity({ spiffeId, reason, requestId, actor }, { caller }) {
      const block = await unblockIdentity(deps, { spiffeId, reason, requestId, actor }, caller);
      return create(UnblockIdentityResponseSchema, { identityBlock: blockMessage(block) });
    },
    async listIdentityBlocks({ pageSize, pageToken }) {
      const { blocks, nextPageToken } = await listIdentityBlocks(deps, { pageSize, pageToken });
      return create(ListIdentityBlocksResponseSchema, { identityBlocks: blocks.map(blockMessage), nextPageToken });
    },
  };
}

function blockMessage({ spiffeId, reason, createMs }: StoredBlock): IdentityBlock {
  return create(IdentityBlockSchema, { spiffeId, reason, createTime: toTimestamp(createMs) });
}
