import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import { CONNECT_LIFE_MS } from "../../src/keyvault/connect-ports.ts";
import type { CodeExchanger } from "../../src/providers/exchange-code.ts";
import { approve } from "../simulators/consent.ts";
import { OPENROUTER_SPEC } from "../simulators/providers/openrouter.ts";
import { type ProviderSimulator, startSimulator } from "../simulators/simulator.ts";
import { type OneClickVault, openOneClickVault } from "../support/one-click-vault.ts";

const ACCOUNTS = ["acct-1", "acct-2"] as const;
type Account = (typeof ACCOUNTS)[number];

/** Each step that restarts opens a real database anew, which takes its time on a busy machine. */
const WALK_MAX_MS = 180_000;

let openRouter: ProviderSimulator;
let vault: OneClickVault;
beforeAll(async () => {
  openRouter = await startSimulator(OPENROUTER_SPEC);
  vault = await openOneClickVault(openRouter);
});
afterAll(async () => {
  await vault.close();
  await openRouter.close();
});

/** What anybody may do, in any order. Indexes point into what was begun so far. */
type Step =
  | { readonly kind: "begin"; readonly account: Account }
  | {
      readonly kind: "complete";
      readonly account: Account;
      readonly connect: number;
      /** Whose code: undefined for the connect's own. */
      readonly code: number | undefined;
      readonly times: number;
      readonly exchange: "answered" | "answer lost" | "process dies";
    }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "restart" };

const account = fc.constantFrom(...ACCOUNTS);
const index = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("begin" as const), account }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("complete" as const),
      account,
      connect: index,
      code: fc.option(index, { nil: undefined, freq: 2 }),
      times: fc.integer({ min: 1, max: 3 }),
      exchange: fc.constantFrom("answered", "answered", "answer lost", "process dies"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(60_000, CONNECT_LIFE_MS - 1, CONNECT_LIFE_MS),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
);

/** Walked always: the walk would prove nothing if no connect ever succeeded. */
const SUCCESS: Step = {
  kind: "complete",
  account: "acct-1",
  connect: 0,
  code: undefined,
  times: 3,
  exchange: "answered",
};

interface Begun {
  readonly account: Account;
  readonly connectId: string;
  readonly code: string;
  readonly expireMs: number;
  exchanges: number;
}

test(
  "whatever is tried in whatever order: one exchange a connect at most, by its own account, in time; a key comes of its own code alone",
  async () => {
    let keys = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const begun: Begun[] = [await begin("acct-1"), await begin("acct-2")];
        for (const one of steps) {
          if (one.kind === "wait") vault.clock.advance(one.ms);
          else if (one.kind === "restart") await vault.restart();
          else if (one.kind === "begin") begun.push(await begin(one.account));
          else keys += await complete(one, begun);
        }
        vault.clock.advance(2 * CONNECT_LIFE_MS);
      }),
      { numRuns: 20, examples: [[[SUCCESS]]] },
    );
    // The walk would prove nothing if no connect ever succeeded.
    expect(keys).toBeGreaterThan(0);
  },
  WALK_MAX_MS,
);

async function begin(account: Account): Promise<Begun> {
  const { authorizationUrl, expireMs } = await vault.begin({ account });
  return { ...(await approve(authorizationUrl)), account, expireMs, exchanges: 0 };
}

/** Completes so many times at once and checks what is true whatever happens. Returns how many keys came of it. */
async function complete(step: Extract<Step, { kind: "complete" }>, begun: readonly Begun[]): Promise<number> {
  const connect = begun[step.connect];
  const source = begun[step.code ?? step.connect];
  if (connect === undefined || source === undefined) return 0;
  const mayExchange =
    step.account === connect.account && vault.clock.nowMs() < connect.expireMs && connect.exchanges === 0;
  const before = (await vault.key(step.account))?.version ?? 0;
  const { exchanger, left } = scripted(step.exchange);
  const input = { account: step.account, connectId: connect.connectId, code: source.code };
  const attempts = Promise.allSettled(Array.from({ length: step.times }, () => vault.complete(input, { exchanger })));
  if (step.exchange === "process dies") await Promise.race([attempts, left.promise]);
  const outcomes = step.exchange === "process dies" && left.count > 0 ? [] : await attempts;
  if (left.count > 0 && step.exchange === "process dies") await vault.restart();
  expect(left.count).toBe(mayExchange ? 1 : 0);
  connect.exchanges += left.count;
  const won = outcomes.filter(({ status }) => status === "fulfilled").length;
  const isOwn = source === connect && step.exchange === "answered";
  expect(won).toBe(mayExchange && isOwn ? 1 : 0);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(PloriError);
  }
  const after = await vault.key(step.account);
  expect(after?.version ?? 0).toBe(before + won);
  if (won === 1) expect(await vault.credential(step.account)).toBe(openRouter.consent.minted.at(-1));
  return won;
}

/** An exchanger that does as the step says, and counts. */
function scripted(exchange: "answered" | "answer lost" | "process dies") {
  const real = vault.deps().exchanger;
  const { promise, resolve } = Promise.withResolvers<void>();
  const left = { count: 0, promise };
  const exchanger: CodeExchanger = {
    exchange(code, verifier) {
      left.count += 1;
      resolve();
      if (exchange === "process dies") return new Promise(() => {});
      if (exchange === "answer lost") return Promise.resolve({ kind: "lost", why: "timeout" });
      return real.exchange(code, verifier);
    },
  };
  return { exchanger, left };
}
