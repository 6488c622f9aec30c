import { refuse } from "../base/errors.ts";
import type { Role } from "./roles.ts";

/** Who may call an RPC: the named roles, or everyone whose certificate is a valid SVID of the trust domain, role or none. */
export type Allowed = readonly Role[] | "any valid identity";

/** Full name of an RPC ("plori.router.v1.RouterService/ResolveRoute") to who may call it. What does not stand here may be called by nobody. */
export type RpcTable = ReadonlyMap<string, Allowed>;

/**
 * The one table. `admin` stands wherever it may call. It never stands at an RPC that gives out a credential or acts as an agent host: with its role
 * alone, nobody obtains a user's key.
 */
export const RPC_TABLE: RpcTable = new Map<string, Allowed>([
  ["plori.keyvault.v1.KeyVaultService/ListProviders", ["settings", "auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/ConnectKey", ["settings", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/BeginOpenRouterConnect", ["settings"]],
  ["plori.keyvault.v1.KeyVaultService/CompleteOpenRouterConnect", ["settings"]],
  ["plori.keyvault.v1.KeyVaultService/GetKey", ["settings", "auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/VerifyKey", ["settings", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/ListKeys", ["settings", "auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/DeleteKey", ["settings", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/RewrapDataKeys", ["admin"]],
  ["plori.keyvault.v1.KeyVaultService/RotateAccountKey", ["admin"]],
  ["plori.keyvault.v1.KeyVaultService/ShredAccount", ["admin"]],
  ["plori.keyvault.v1.KeyVaultService/EvictDataKeys", ["admin"]],
  ["plori.keyvault.v1.KeyVaultService/VerifyVault", ["admin"]],
  ["plori.keyvault.v1.KeyVaultService/ListReleases", ["settings", "auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/IdentifySecret", ["admin"]],
  ["plori.keyvault.v1.KeyVaultService/ListAuditEvents", ["auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/VerifyAudit", ["auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/ExportAudit", ["auditor", "admin"]],
  ["plori.keyvault.v1.KeyVaultService/PruneAudit", ["admin"]],

  ["plori.router.v1.RouterService/ResolveRoute", ["agent-host"]],
  ["plori.router.v1.RouterService/ReportOutcome", ["agent-host"]],
  ["plori.router.v1.RouterService/ExplainRoute", ["settings", "auditor", "admin"]],
  ["plori.router.v1.RouterService/ListModels", ["settings", "auditor", "admin"]],
  ["plori.router.v1.RouterService/PlaceAgents", ["scheduler", "admin"]],
  ["plori.router.v1.RouterService/RemoveAgents", ["scheduler", "admin"]],
  ["plori.router.v1.RouterService/WatchRevocations", ["agent-host"]],
  ["plori.router.v1.RouterService/BlockIdentity", ["admin"]],
  ["plori.router.v1.RouterService/UnblockIdentity", ["admin"]],
  ["plori.router.v1.RouterService/ListIdentityBlocks", ["auditor", "admin"]],
  ["plori.router.v1.RouterService/ListPlacements", ["scheduler", "auditor", "admin"]],
  ["plori.router.v1.RouterService/GetRoutingPolicy", ["settings", "auditor", "admin"]],
  ["plori.router.v1.RouterService/UpdateRoutingPolicy", ["settings"]],

  ["plori.ledger.v1.LedgerService/GrantCredits", ["billing", "admin"]],
  ["plori.ledger.v1.LedgerService/RecordUsage", ["agent-host", "recorder"]],
  ["plori.ledger.v1.LedgerService/WatchAccounts", ["settings", "scheduler", "admin"]],
  ["plori.ledger.v1.LedgerService/ExtendHold", ["agent-host"]],
  ["plori.ledger.v1.LedgerService/ReleaseHold", ["agent-host"]],
  ["plori.ledger.v1.LedgerService/VoidGrant", ["billing", "admin"]],
  ["plori.ledger.v1.LedgerService/ListGrants", ["billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/GetCharge", ["settings", "billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/ReverseCharge", ["billing", "admin"]],
  ["plori.ledger.v1.LedgerService/SummarizeUsage", ["settings", "billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/CreatePriceDraft", ["billing", "admin"]],
  ["plori.ledger.v1.LedgerService/ListPrices", ["billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/PreviewCharge", ["billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/ExportCharges", ["billing", "admin"]],
  ["plori.ledger.v1.LedgerService/ReconcileDay", ["billing", "admin"]],
  ["plori.ledger.v1.LedgerService/VerifyLedger", ["auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/GetBalance", ["settings", "scheduler", "billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/ListCharges", ["settings", "billing", "auditor", "admin"]],
  ["plori.ledger.v1.LedgerService/PublishPrices", ["billing", "admin"]],

  ["grpc.health.v1.Health/Check", "any valid identity"],
  ["grpc.health.v1.Health/List", "any valid identity"],
  ["grpc.health.v1.Health/Watch", "any valid identity"],
  ["grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "any valid identity"],
  ["grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "any valid identity"],
]);

/** A valid identity, with its role if the role map gives it one. */
export interface Identified {
  /** The SPIFFE id, trust domain in lower case. */
  readonly spiffeId: string;
  readonly role?: Role;
}

/** Throws ROLE_NOT_ALLOWED unless the table lets this caller call this RPC. The message names the role and the RPC. */
export function authorise(caller: Identified, rpc: string, table: RpcTable = RPC_TABLE): void {
  const allowed = table.get(rpc);
  if (allowed === "any valid identity") return;
  if (caller.role !== undefined && allowed?.includes(caller.role) === true) return;
  const role = caller.role ?? "none";
  throw refuse(
    "ROLE_NOT_ALLOWED",
    caller.role === undefined
      ? `This identity has no role, so it may not call ${rpc}. An operator gives roles in the role map.`
      : `The role ${role} may not call ${rpc}. Call it with an identity whose role may.`,
    { role, rpc },
  );
}
