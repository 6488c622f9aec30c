import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import type { Handlers } from "../../src/doors/handlers.ts";
import type { Minted } from "../../src/doors/mint-certificate.ts";
import { type Doors, type DoorsOptions, openDoors } from "../../src/doors/open-doors.ts";
import { DEFAULT_ROLE_MAP } from "../../src/identity/role-map.ts";
import { mintAuthority, mintServer, TRUST_DOMAIN } from "./pki.ts";

/** The parts of `Handlers` that a test gives; the others throw. */
export type SomeHandlers = { readonly [S in keyof Handlers]?: Partial<Handlers[S]> };

function notUnderTest(): Promise<never> {
  return Promise.reject(new Error("not under test"));
}

async function* notStreamedUnderTest(): AsyncGenerator<never> {
  yield await notUnderTest();
}

/** Handlers of which only the given ones do something. */
export function fakeHandlers(some: SomeHandlers): Handlers {
  return {
    keyVault: {
      listProviders: notUnderTest,
      connectKey: notUnderTest,
      beginOpenRouterConnect: notUnderTest,
      completeOpenRouterConnect: notUnderTest,
      getKey: notUnderTest,
      verifyKey: notUnderTest,
      listKeys: notUnderTest,
      deleteKey: notUnderTest,
      rewrapDataKeys: notStreamedUnderTest,
      rotateAccountKey: notUnderTest,
      shredAccount: notUnderTest,
      evictDataKeys: notUnderTest,
      verifyVault: notStreamedUnderTest,
      listReleases: notUnderTest,
      identifySecret: notUnderTest,
      listAuditEvents: notUnderTest,
      verifyAudit: notStreamedUnderTest,
      exportAudit: notStreamedUnderTest,
      pruneAudit: notUnderTest,
      ...some.keyVault,
    },
    router: {
      resolveRoute: notUnderTest,
      explainRoute: notUnderTest,
      listModels: notUnderTest,
      reportOutcome: notUnderTest,
      placeAgents: notUnderTest,
      removeAgents: notUnderTest,
      watchRevocations: notStreamedUnderTest,
      blockIdentity: notUnderTest,
      unblockIdentity: notUnderTest,
      listIdentityBlocks: notUnderTest,
      listPlacements: notUnderTest,
      getRoutingPolicy: notUnderTest,
      updateRoutingPolicy: notUnderTest,
      ...some.router,
    },
    ledger: {
      grantCredits: notUnderTest,
      recordUsage: notUnderTest,
      getBalance: notUnderTest,
      listCharges: notUnderTest,
      publishPrices: notUnderTest,
      extendHold: notUnderTest,
      releaseHold: notUnderTest,
      voidGrant: notUnderTest,
      reverseCharge: notUnderTest,
      listGrants: notUnderTest,
      getCharge: notUnderTest,
      summarizeUsage: notUnderTest,
      createPriceDraft: notUnderTest,
      listPrices: notUnderTest,
      previewCharge: notUnderTest,
      reconcileDay: notUnderTest,
      watchAccounts: notStreamedUnderTest,
      exportCharges: notStreamedUnderTest,
      verifyLedger: notStreamedUnderTest,
      ...some.ledger,
    },
  };
}

/** Doors on free ports of loopback, with an authority of their own. */
export interface TestDoors extends Doors {
  readonly authority: Minted;
}

/** Opens doors with the given handlers; anything else can be changed. */
export async function openTestDoors(some: SomeHandlers, changes: Partial<DoorsOptions> = {}): Promise<TestDoors> {
  const authority = await mintAuthority();
  const { cert, key } = await mintServer(authority);
  const anyPort = { host: "127.0.0.1", port: 0 };
  const doors = await openDoors({
    handlers: fakeHandlers(some),
    grpc: anyPort,
    connect: anyPort,
    ops: anyPort,
    tls: { kind: "pem", cert, key, ca: authority.cert },
    trustDomain: TRUST_DOMAIN,
    roleMap: DEFAULT_ROLE_MAP,
    log: silentLog,
    clock: systemClock,
    observer: { called() {} },
    onDenied() {},
    readiness: { reasons: () => [] },
    metrics: { contentType: "text/plain", metrics: () => Promise.resolve("") },
    ...changes,
  });
  return { ...doors, authority };
}
