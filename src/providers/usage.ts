import { MAX_NANO } from "../base/credits.ts";
import type { Provider } from "../base/provider.ts";
import { scaleDecimal } from "./decimal.ts";
import { describeProvider } from "./descriptors.ts";
import { readPath } from "./json-path.ts";
import { readTokenCount, type UsageProblem } from "./token-count.ts";

/** Token counts that share nothing: every token is in one of them. */
export interface NormalisedUsage {
  readonly inputUncached: bigint;
  readonly cacheRead: bigint;
  readonly cacheWrite: bigint;
  /** Without reasoning. */
  readonly output: bigint;
  readonly reasoning: bigint;
  /** What the provider says that the call cost, in nano US dollars. */
  readonly providerCostUsdNano?: bigint;
  /** False when a total is missing or a part exceeds it: then the counts are the best that can be read, and the charge is an estimate. */
  readonly complete: boolean;
}

/** Usage as disjoint counts, or the first thing in it that cannot be a count. */
export type UsageResult =
  | { readonly kind: "usage"; readonly usage: NormalisedUsage }
  | { readonly kind: "problem"; readonly problem: UsageProblem };

/**
 * A provider's `usage` object, verbatim, as disjoint counts. The input parts sum to the provider's input total, output and reasoning to its
 * output total. Numbers may be decimal text. What is absent or null counts as not told; what is no whole count in range is a problem.
 */
export function normaliseUsage(provider: Provider, usage: object): UsageResult {
  const { usage: paths } = describeProvider(provider);
  const problems: UsageProblem[] = [];
  const count = (path: string | undefined): bigint | undefined => {
    if (path === undefined) return undefined;
    const read = readTokenCount(path, readPath(usage, path));
    if (typeof read !== "object") return read;
    problems.push(read);
    return undefined;
  };
  const read = {
    input: count(paths.inputPath),
    cacheRead: paths.cacheReadPaths.reduce<bigint | undefined>((found, path) => found ?? count(path), undefined),
    cacheMiss: count(paths.cacheMissPath),
    cacheWrite: count(paths.cacheWritePath),
    output: count(paths.outputPath),
    reasoning: count(paths.reasoningPath),
  };
  const cost = paths.cost === undefined ? undefined : readCost(usage, paths.cost);
  if (typeof cost === "object") problems.push(cost);
  const [problem] = problems;
  if (problem !== undefined) return { kind: "problem", problem };
  const input = splitInput(read, paths.cacheMayExceedInput);
  const output = splitOutput(read, paths.outputIncludesReasoning);
  return {
    kind: "usage",
    usage: {
      ...input.parts,
      ...output.parts,
      ...(typeof cost === "bigint" ? { providerCostUsdNano: cost } : {}),
      complete: input.complete && output.complete,
    },
  };
}

type Told<Name extends string> = Readonly<Record<Name, bigint | undefined>>;

function splitInput(told: Told<"input" | "cacheRead" | "cacheMiss" | "cacheWrite">, cacheMayExceedInput: boolean) {
  const read = told.cacheRead ?? 0n;
  const write = told.cacheWrite ?? 0n;
  const summed = told.cacheMiss === undefined ? undefined : told.cacheMiss + read;
  const known = told.input ?? summed;
  // Without a total, what is told of the parts still counts.
  const total = known === undefined ? read + write : cacheMayExceedInput && read > known ? known + read : known;
  const cacheWrite = least(write, total);
  const cacheRead = least(read, total - cacheWrite);
  return {
    parts: { inputUncached: total - cacheRead - cacheWrite, cacheRead, cacheWrite },
    complete: known !== undefined && cacheRead === read && cacheWrite === write,
  };
}

function splitOutput(told: Told<"output" | "reasoning">, outputIncludesReasoning: boolean) {
  const toldReasoning = told.reasoning ?? 0n;
  if (!outputIncludesReasoning) {
    return { parts: { output: told.output ?? 0n, reasoning: toldReasoning }, complete: told.output !== undefined };
  }
  const total = told.output ?? toldReasoning;
  const reasoning = least(toldReasoning, total);
  return {
    parts: { output: total - reasoning, reasoning },
    complete: told.output !== undefined && reasoning === toldReasoning,
  };
}

function readCost(
  usage: object,
  { path, decimals }: { readonly path: string; readonly decimals: number },
): bigint | UsageProblem | undefined {
  const value = readPath(usage, path);
  if (value === undefined || value === null) return undefined;
  const nano = scaleDecimal(value, 9 - decimals);
  if (nano === undefined) return { path, what: "not_a_number" };
  if (nano < 0n) return { path, what: "negative" };
  return nano > MAX_NANO ? { path, what: "too_large" } : nano;
}

function least(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
