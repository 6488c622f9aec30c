import { PROVIDERS } from "../../src/base/provider.ts";
import { CATALOGUE } from "../../src/router/catalogue.ts";
import { type DecideInput, decide } from "../../src/router/decide.ts";
import { DEFAULT_POLICY, type Decision, type KeyStanding } from "../../src/router/decision.ts";
import { parseModelName } from "../../src/router/model-name.ts";
import { randomFrom } from "../torture/random.ts";
import type { Subject } from "./bench.ts";

const NOW_MS = 1_790_000_000_000;
const SEED = 4;
/** Prepared calls that are decided again and again. */
const CALLS = 4_096;
const WARM_UP_MS = 500;
const CALLS_PER_LOOK = 4_096;

/** One call that has to be decided. */
export interface MixedCall {
  readonly name: string;
  readonly keys: readonly KeyStanding[];
}

/** Whose calls they are, and how many of a thousand. */
const MIX: readonly {
  readonly perMille: number;
  readonly held: readonly string[];
  readonly names: readonly string[];
}[] = [
  { perMille: 420, held: ["openai"], names: ["openai/gpt-5.5", "gpt-5.5", "openai/gpt-5.4-mini", "openai/o4-mini"] },
  { perMille: 230, held: ["openrouter"], names: ["anthropic/claude-opus-4.8", "openai/gpt-5.5", "z-ai/glm-5.2"] },
  { perMille: 170, held: [], names: ["openai/gpt-5.5", "anthropic/claude-opus-4.8", "deepseek/deepseek-v4-pro"] },
  {
    perMille: 100,
    held: ["openai", "groq", "together", "openrouter"],
    names: ["openai/gpt-oss-120b", "qwen/qwen3-32b", "Qwen/Qwen3.5-397B-A17B", "x-ai/grok-4.3"],
  },
  { perMille: 40, held: ["deepseek", "xai"], names: ["deepseek-flash", "grok-4.3", "xai::grok-4.3"] },
  { perMille: 20, held: ["openai", "openrouter"], names: ["openai/gpt-99", "acme/private-1", "openai/gpt-5.5:nitro"] },
  { perMille: 10, held: ["openai:DEAD", "openrouter"], names: ["openai/gpt-5.5"] },
  { perMille: 10, held: ["groq"], names: ["acme/unknown", "OpenAI/GPT-5.5"] },
];
const PLATFORM_KEYS: readonly KeyStanding[] = PROVIDERS.map((provider) => keyOf("platform", provider));

/** The calls, the same ones every time. */
export function mixedCalls(count: number): readonly MixedCall[] {
  const random = randomFrom(SEED);
  const pick = <T>(some: readonly T[]): T => some[Math.floor(random() * some.length)] as T;
  const kinds = MIX.flatMap((kind) => Array.from({ length: kind.perMille }, () => kind));
  return Array.from({ length: count }, (_none, at) => {
    const { names, held } = pick(kinds);
    return { name: pick(names), keys: held.map((key) => keyOf(`account-${at}`, key)) };
  });
}

/** As a call is decided: with plori's own keys only once the account's do not settle it, and no candidate beyond the chosen one. */
export function decideCall({ name, keys }: MixedCall): Decision<KeyStanding> {
  const input: DecideInput<KeyStanding> = {
    model: parseModelName(name),
    pin: undefined,
    keys,
    platformKeys: undefined,
    host: "agent-host-1",
    policy: DEFAULT_POLICY,
    catalogue: CATALOGUE,
    nowMs: NOW_MS,
    everyCandidate: false,
  };
  const decision = decide(input);
  return decision.kind === "needs-platform-keys" ? decide({ ...input, platformKeys: PLATFORM_KEYS }) : decision;
}

/** The decision without anything around it, beside a look-up of the model's name in a Map. */
export const DECIDE: Subject = {
  name: "decide",
  about: "The routing decision alone, over a mix of accounts and models.",
  byDefault: true,
  async run(bench) {
    const calls = mixedCalls(CALLS);
    const byName = new Map(calls.map((call) => [call.name, call]));
    const measureMs = bench.options.quick ? 500 : 2_000;
    const base = perSecond(calls, measureMs, ({ name }) => byName.get(name) !== undefined);
    const mine = perSecond(calls, measureMs, (call) => decideCall(call).kind === "route");
    const routed = calls.filter((call) => decideCall(call).kind === "route").length;
    const conditions = `one thread; ${CALLS} calls of ${MIX.length} kinds of accounts (one native key, OpenRouter alone, credits, several keys, unknown names, a dead key), ${((100 * routed) / CALLS).toFixed(0)} % routed; baseline: a look-up of the name in a Map`;
    bench.report("Routing decision alone", mine, "calls/s", base, conditions);
  },
};

/** How often a second `work` is done. What it returns is counted, so that nothing is optimised away. */
function perSecond(calls: readonly MixedCall[], measureMs: number, work: (call: MixedCall) => boolean): number {
  let done = 0;
  let counted = 0;
  const runUntil = (endMs: number): void => {
    while (performance.now() < endMs) {
      for (let i = 0; i < CALLS_PER_LOOK; i += 1) {
        if (work(calls[i % calls.length] as MixedCall)) counted += 1;
      }
      done += CALLS_PER_LOOK;
    }
  };
  runUntil(performance.now() + WARM_UP_MS);
  done = 0;
  const startMs = performance.now();
  runUntil(startMs + measureMs);
  const seconds = (performance.now() - startMs) / 1_000;
  if (counted === 0) throw new Error("nothing came out of what was measured");
  return done / seconds;
}

/** "openai", or "openai:DEAD". */
function keyOf(account: string, words: string): KeyStanding {
  const [slug, state] = words.split(":");
  const provider = PROVIDERS.find((known) => known === slug);
  if (provider === undefined) throw new Error(`no provider is called ${words}`);
  return { account, keyId: provider, provider, state: state === "DEAD" ? "DEAD" : "ACTIVE" };
}
