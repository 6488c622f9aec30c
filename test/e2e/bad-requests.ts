import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Component, GrantCategory } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import type { OnKeyFailure } from "../../src/gen/plori/router/v1/router_pb.ts";
import type { Provider } from "../../src/gen/plori/type/v1/type_pb.ts";
import type { Clients } from "../support/service-process.ts";
import { diskRecord, type House } from "./house.ts";

const LONG = "a".repeat(10_000);
const UNKNOWN_NUMBER: number = 99;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const NOT_A_UUID = "not-a-uuid";
const BELL = "with\u0007bell";

/** Clients with a caller's certificate. */
type As = (caller: Parameters<House["as"]>[0]) => Clients;

/** A request with wrong fields. */
export interface BadRequest {
  readonly what: string;
  call(as: As): Promise<unknown>;
  /** Every wrong field, sorted. */
  readonly fields: readonly string[];
}

/** One or more for every RPC. */
export const BAD_REQUESTS: readonly BadRequest[] = [
  {
    what: "ConnectKey with nothing",
    call: (as) => as("settings").keyVault.connectKey({}),
    fields: ["account", "provider", "secret"],
  },
  {
    what: "ConnectKey with everything wrong",
    call: (as) =>
      as("settings").keyVault.connectKey({
        account: "a/b",
        provider: UNKNOWN_NUMBER as Provider,
        secret: "two\nlines",
        requestId: NOT_A_UUID,
        actor: BELL,
      }),
    fields: ["account", "actor", "provider", "request_id", "secret"],
  },
  {
    what: "ConnectKey with everything too long",
    call: (as) =>
      as("admin").keyVault.connectKey({ account: LONG, provider: 2, secret: LONG, requestId: LONG, actor: LONG }),
    fields: ["account", "actor", "request_id", "secret"],
  },
  {
    what: "GetKey",
    call: (as) => as("auditor").keyVault.getKey({ account: "ünïcode", provider: UNKNOWN_NUMBER as Provider }),
    fields: ["account", "provider"],
  },
  {
    what: "ListKeys with a negative page size and a token of nobody's",
    call: (as) => as("settings").keyVault.listKeys({ account: "", pageSize: -1, pageToken: "bm9uc2Vuc2U" }),
    fields: ["account", "page_size", "page_token"],
  },
  {
    what: "ListKeys with a token of another account's charges",
    call: (as) =>
      as("settings").keyVault.listKeys({
        account: "maya",
        pageToken: Buffer.from("charges:other:1").toString("base64url"),
      }),
    fields: ["page_token"],
  },
  {
    what: "DeleteKey",
    call: (as) =>
      as("settings").keyVault.deleteKey({ account: " ", etag: LONG, requestId: NOT_A_UUID, actor: "two\nlines" }),
    fields: ["account", "actor", "etag", "provider", "request_id"],
  },
  {
    what: "ResolveRoute with a model of 10 kB and everything else wrong",
    call: (as) =>
      as("agent-host-1").router.resolveRoute({
        account: "a b",
        agent: "",
        model: LONG,
        provider: UNKNOWN_NUMBER as Provider,
        callId: "call id",
        estimate: { inputTokens: -1n, maxOutputTokens: -1n },
      }),
    fields: ["account", "agent", "call_id", "estimate.input_tokens", "estimate.max_output_tokens", "model", "provider"],
  },
  {
    what: "ResolveRoute with control characters, Anthropic pinned",
    call: (as) =>
      as("agent-host-1").router.resolveRoute({
        account: "maya",
        agent: "scout",
        model: "gpt\u0000\u001b[31m",
        provider: 7,
        callId: LONG,
      }),
    fields: ["call_id", "model", "provider"],
  },
  {
    what: "ExplainRoute",
    call: (as) =>
      as("settings").router.explainRoute({
        account: "platform",
        agent: "a/b",
        model: "",
        provider: UNKNOWN_NUMBER as Provider,
        estimate: { maxOutputTokens: -5n },
      }),
    fields: ["account", "agent", "estimate.max_output_tokens", "model", "provider"],
  },
  {
    what: "ListModels",
    call: (as) =>
      as("settings").router.listModels({ account: "platform", filter: "payer > ME", pageSize: -1, pageToken: LONG }),
    fields: ["account", "filter", "page_size", "page_token"],
  },
  {
    what: "PlaceAgents with nothing",
    call: (as) => as("scheduler").router.placeAgents({ requestId: NOT_A_UUID }),
    fields: ["placements", "request_id"],
  },
  {
    what: "PlaceAgents with one right and three wrong placements",
    call: (as) =>
      as("scheduler").router.placeAgents({
        placements: [
          placement({}),
          placement({ account: "", agent: LONG, host: "a host", generation: -1n, expireMs: Date.now() - 1 }),
          placement({ account: "platform", expireMs: Date.now() + 2 * DAY_MS }),
          placement({}),
        ],
      }),
    fields: [
      "placements[1].account",
      "placements[1].agent",
      "placements[1].expire_time",
      "placements[1].generation",
      "placements[1].host",
      "placements[2].account",
      "placements[2].expire_time",
      "placements[3].agent",
    ],
  },
  {
    what: "PlaceAgents with 501 placements",
    call: (as) =>
      as("scheduler").router.placeAgents({
        placements: Array.from({ length: 501 }, (_, index) => placement({ agent: `agent-${index}` })),
      }),
    fields: ["placements"],
  },
  {
    what: "RemoveAgents",
    call: (as) =>
      as("scheduler").router.removeAgents({
        agents: [
          { account: "a/b", agent: "", generation: -1n },
          { account: "maya", agent: "one" },
          { account: "maya", agent: "one" },
        ],
        actor: LONG,
      }),
    fields: ["actor", "agents[0].account", "agents[0].agent", "agents[0].generation", "agents[2].agent"],
  },
  {
    what: "ListPlacements with everything wrong",
    call: (as) =>
      as("scheduler").router.listPlacements({
        account: "a/b",
        host: LONG,
        agent: "\n",
        pageSize: -1,
        pageToken: "bm9uc2Vuc2U",
      }),
    fields: ["account", "agent", "host", "page_size", "page_token"],
  },
  {
    what: "GetRoutingPolicy with nothing",
    call: (as) => as("settings").router.getRoutingPolicy({}),
    fields: ["account"],
  },
  {
    what: "UpdateRoutingPolicy with nothing",
    call: (as) => as("settings").router.updateRoutingPolicy({}),
    fields: ["account", "routing_policy"],
  },
  {
    what: "UpdateRoutingPolicy with everything wrong",
    call: (as) =>
      as("settings").router.updateRoutingPolicy({
        account: "platform",
        routingPolicy: {
          name: "accounts/maya/routingPolicy",
          providerOrder: [2, 2, 7, 0, UNKNOWN_NUMBER as Provider],
          pins: [
            { model: LONG, provider: 2 },
            { model: "m", provider: 2 },
            { model: "m", provider: 0 },
            { model: "groq::m", provider: 2 },
          ],
          onKeyFailure: UNKNOWN_NUMBER as OnKeyFailure,
          maxHostedCallAmount: { units: 1n, nanos: -1 },
          etag: LONG,
        },
        requestId: NOT_A_UUID,
        actor: BELL,
      }),
    fields: [
      "account",
      "actor",
      "request_id",
      "routing_policy.etag",
      "routing_policy.max_hosted_call_amount",
      "routing_policy.name",
      "routing_policy.on_key_failure",
      "routing_policy.pins[0].model",
      "routing_policy.pins[2].model",
      "routing_policy.pins[2].provider",
      "routing_policy.pins[3].provider",
      "routing_policy.provider_order[1]",
      "routing_policy.provider_order[2]",
      "routing_policy.provider_order[3]",
      "routing_policy.provider_order[4]",
    ],
  },
  {
    what: "UpdateRoutingPolicy with a mask of what is not a policy's",
    call: (as) =>
      as("settings").router.updateRoutingPolicy({
        account: "maya",
        routingPolicy: {},
        updateMask: { paths: ["etag", "pins"] },
      }),
    fields: ["update_mask"],
  },
  {
    what: "GrantCredits with nothing",
    call: (as) => as("billing").ledger.grantCredits({}),
    fields: ["account", "amount"],
  },
  {
    what: "GrantCredits with everything wrong",
    call: (as) =>
      as("billing").ledger.grantCredits({
        account: "platform",
        amount: { units: -1n, nanos: 5 },
        priority: -1,
        category: UNKNOWN_NUMBER as GrantCategory,
        expireTime: timestampFromMs(Date.now() - MINUTE_MS),
        requestId: NOT_A_UUID,
        actor: LONG,
      }),
    fields: ["account", "actor", "amount", "category", "expire_time", "priority", "request_id"],
  },
  {
    what: "GrantCredits that ends before it begins, of more than a ledger holds",
    call: (as) =>
      as("billing").ledger.grantCredits({
        account: "maya",
        amount: { units: 9_300_000_000n },
        priority: 1_001,
        effectiveTime: timestampFromMs(Date.now() + 2 * DAY_MS),
        expireTime: timestampFromMs(Date.now() + DAY_MS),
      }),
    fields: ["amount", "expire_time", "priority"],
  },
  {
    what: "RecordUsage with no record",
    call: (as) => as("recorder").ledger.recordUsage({ requestId: NOT_A_UUID, actor: BELL }),
    fields: ["actor", "records", "request_id"],
  },
  {
    what: "RecordUsage with 501 records",
    call: (as) =>
      as("recorder").ledger.recordUsage({
        records: Array.from({ length: 501 }, (_, index) => diskRecord("maya", `disk-${index}`)),
      }),
    fields: ["records"],
  },
  { what: "GetBalance", call: (as) => as("billing").ledger.getBalance({ account: LONG }), fields: ["account"] },
  {
    what: "ListCharges",
    call: (as) => as("billing").ledger.listCharges({ account: "a\nb", pageSize: -5, pageToken: LONG }),
    fields: ["account", "page_size", "page_token"],
  },
  {
    what: "PublishPrices with no item, in the past",
    call: (as) =>
      as("billing").ledger.publishPrices({
        effectiveTime: timestampFromMs(Date.now() - DAY_MS),
        requestId: NOT_A_UUID,
        actor: LONG,
      }),
    fields: ["actor", "effective_time", "items", "request_id"],
  },
  {
    what: "PublishPrices with wrong items",
    call: (as) =>
      as("billing").ledger.publishPrices({
        items: [
          { component: 1, provider: 2, model: "m", pricePico: -1n, unitCount: 0n, minInputTokens: -1n },
          { component: UNKNOWN_NUMBER as Component, provider: 2, model: "m", pricePico: 1n, unitCount: 1n },
          { component: 1, provider: 7, model: "m", pricePico: 1n, unitCount: 1n },
          { component: 8, provider: 2, model: "m", pricePico: 1n, unitCount: 1n, minInputTokens: 1n },
          { component: 4, provider: 2, model: "", pricePico: 1n, unitCount: 1n },
        ],
        requestId: NOT_A_UUID,
      }),
    fields: [
      "items[0].min_input_tokens",
      "items[0].price_pico",
      "items[0].unit_count",
      "items[1].component",
      "items[2].provider",
      "items[3].min_input_tokens",
      "items[3].model",
      "items[3].provider",
      "items[4].model",
      "request_id",
    ],
  },
  {
    what: "BlockIdentity",
    call: (as) =>
      as("admin").router.blockIdentity({
        spiffeId: "spiffe://dev.plori.internal/admin/dev",
        reason: "",
        requestId: NOT_A_UUID,
        actor: BELL,
      }),
    fields: ["actor", "reason", "request_id", "spiffe_id"],
  },
  {
    what: "UnblockIdentity",
    call: (as) =>
      as("admin").router.unblockIdentity({
        spiffeId: "spiffe://elsewhere.internal/agent-host/x",
        reason: LONG,
        requestId: LONG,
        actor: LONG,
      }),
    fields: ["actor", "reason", "request_id", "spiffe_id"],
  },
  {
    what: "ListIdentityBlocks",
    call: (as) => as("auditor").router.listIdentityBlocks({ pageSize: -1, pageToken: "bm9uc2Vuc2U" }),
    fields: ["page_size", "page_token"],
  },
];

function placement(changes: {
  readonly account?: string;
  readonly agent?: string;
  readonly host?: string;
  readonly generation?: bigint;
  readonly expireMs?: number;
}) {
  const { account = "maya", agent = "scout", host = "agent-host-1", generation = 1n } = changes;
  return { account, agent, host, generation, expireTime: timestampFromMs(changes.expireMs ?? Date.now() + MINUTE_MS) };
}
