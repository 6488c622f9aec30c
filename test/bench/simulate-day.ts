import { manualClock } from "../../src/base/clock.ts";
import { LIMITS } from "../../src/base/limits.ts";
import { randomFrom } from "../torture/random.ts";
import { LeaseTable } from "./lease-table.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The agents of one host over one day, and how they work. All means are of exponential distributions unless said otherwise. */
export interface DayOptions {
  readonly seed: number;
  /** Accounts whose agents run here. */
  readonly accounts: number;
  /** Agents that start over the day. */
  readonly agents: number;
  /** How long an agent lives: evenly over the orders of magnitude between these. */
  readonly lifeMinMs: number;
  readonly lifeMaxMs: number;
  /** Between two tasks of an agent. */
  readonly idleMeanMs: number;
  /** Turns of one task; each makes a model call and then waits for tools. */
  readonly turnsMean: number;
  readonly turnMinMs: number;
  readonly turnMeanMs: number;
  /** The share of turns that ask in parallel, 2-4 calls at once. */
  readonly fanOutShare: number;
  /** The share of turns that go to a second, smaller model. */
  readonly smallModelShare: number;
  /** How often something revokes an account's leases: a key that is replaced, removed, or refused. */
  readonly revocationsPerAccount: number;
}

/** A middling day of one host. */
export const USUAL_DAY: DayOptions = {
  seed: 20_261_124,
  accounts: 60,
  agents: 400,
  lifeMinMs: 10 * MINUTE_MS,
  lifeMaxMs: 8 * HOUR_MS,
  idleMeanMs: 8 * MINUTE_MS,
  turnsMean: 12,
  turnMinMs: 3 * SECOND_MS,
  turnMeanMs: 14 * SECOND_MS,
  fanOutShare: 0.15,
  smallModelShare: 0.15,
  revocationsPerAccount: 0.5,
};

/** What a day came to. */
export interface DayResult {
  readonly calls: number;
  /** Calls that had to ask for a route; every one of them when nothing may be reused. */
  readonly resolves: number;
  readonly revocations: number;
  /** Leases that a revocation ended while they could still be used. */
  readonly revokedLeases: number;
}

type Happening =
  | {
      readonly atMs: number;
      readonly kind: "calls";
      readonly account: string;
      readonly lease: string;
      readonly count: number;
    }
  | { readonly atMs: number; readonly kind: "end"; readonly agent: string }
  | { readonly atMs: number; readonly kind: "revocation"; readonly account: string };

/**
 * Lives one day of an agent host by a manual clock: every call looks for a lease of its account, agent and model, and asks for a route when there is none. The same
 * options always give the same day.
 */
export function simulateDay(options: DayOptions): DayResult {
  const clock = manualClock(0);
  const leases = new LeaseTable(LIMITS.byokReuseMs);
  const result = { calls: 0, resolves: 0, revocations: 0, revokedLeases: 0 };
  for (const happening of happeningsOf(options)) {
    clock.advance(happening.atMs - clock.nowMs());
    switch (happening.kind) {
      case "calls":
        result.calls += happening.count;
        // Calls at the same time share one question.
        if (!leases.use(happening.account, happening.lease, clock.nowMs())) result.resolves += 1;
        break;
      case "end":
        leases.endAgent(happening.agent);
        break;
      case "revocation":
        result.revocations += 1;
        result.revokedLeases += leases.revoke(happening.account, clock.nowMs());
        break;
    }
  }
  return result;
}

/** Everything that happens, in order. */
function happeningsOf(options: DayOptions): readonly Happening[] {
  const random = randomFrom(options.seed);
  const exponential = (mean: number): number => -mean * Math.log(1 - random());
  const all: Happening[] = [];
  for (let at = 0; at < options.agents; at += 1) {
    const account = `account-${Math.floor(random() * options.accounts)}`;
    const agent = `${account}/agent-${at}`;
    const startMs = random() * DAY_MS;
    const life = options.lifeMinMs * (options.lifeMaxMs / options.lifeMinMs) ** random();
    const endMs = Math.min(startMs + life, DAY_MS);
    for (let nowMs = startMs; nowMs < endMs; nowMs += exponential(options.idleMeanMs)) {
      const turns = 1 + Math.floor(exponential(options.turnsMean - 1));
      for (let turn = 0; turn < turns && nowMs < endMs; turn += 1) {
        const model = random() < options.smallModelShare ? "small" : "main";
        const count = random() < options.fanOutShare ? 2 + Math.floor(random() * 3) : 1;
        all.push({ atMs: Math.floor(nowMs), kind: "calls", account, lease: `${agent}/${model}`, count });
        nowMs += options.turnMinMs + exponential(options.turnMeanMs - options.turnMinMs);
      }
    }
    all.push({ atMs: Math.floor(endMs), kind: "end", agent });
  }
  for (let at = 0; at < options.accounts; at += 1) {
    for (let nowMs = exponential(DAY_MS / options.revocationsPerAccount); nowMs < DAY_MS; ) {
      all.push({ atMs: Math.floor(nowMs), kind: "revocation", account: `account-${at}` });
      nowMs += exponential(DAY_MS / options.revocationsPerAccount);
    }
  }
  return all.sort((a, b) => a.atMs - b.atMs);
}
