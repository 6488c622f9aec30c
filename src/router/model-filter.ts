import { filterTokens } from "../base/filter-tokens.ts";
import { type Payer, PROVIDERS, type Provider } from "../base/provider.ts";

const FILTER_MAX_CHARS = 1_000;
const TERMS_MAX = 10;
const PAYERS: readonly Payer[] = ["BYOK", "HOSTED"];

/** What is looked for in a list of models; all of it must hold. */
export interface ModelFilter {
  /** In lower case; each must stand in the id or in the display name. */
  readonly texts: readonly string[];
  readonly provider?: Provider;
  readonly payer?: Payer;
}

/** A filter, or what is wrong with it. */
export type ModelFilterReading =
  | { readonly kind: "ok"; readonly filter: ModelFilter }
  | { readonly kind: "wrong"; readonly problem: string };

/**
 * Reads a filter over models, a subset of AIP-160:
 *
 *     filter = [ term { ["AND"] term } ] ;
 *     term   = word | '"' { any character, `\"` for a quote, `\\` for a backslash } '"' | "provider" "=" slug | "payer" "=" ( "BYOK" | "HOSTED" ) ;
 *
 * A word or a quoted text is looked for in ids and display names, without regard to case.
 */
export function readModelFilter(text: string): ModelFilterReading {
  if (text.length > FILTER_MAX_CHARS) return wrong(`must be at most ${FILTER_MAX_CHARS} characters`);
  const tokens = filterTokens(text);
  if (tokens === undefined) return wrong("has a quote that does not end, or a character that belongs to nothing");
  const texts: string[] = [];
  const equals: { provider?: Provider; payer?: Payer } = {};
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined || (!token.quoted && token.text === "AND" && at > 0 && at < tokens.length - 1)) continue;
    const operator = tokens[at + 1];
    if (isOperator(token)) return wrong(`a comparison begins with provider or payer`);
    if (operator === undefined || !isOperator(operator)) {
      texts.push(token.text.toLowerCase());
      continue;
    }
    const problem = readComparison(equals, token.text, operator.text, tokens[at + 2]?.text);
    if (problem !== undefined) return wrong(problem);
    at += 2;
  }
  if (texts.length > TERMS_MAX) return wrong(`looks for more than ${TERMS_MAX} texts`);
  return { kind: "ok", filter: { texts, ...equals } };
}

/** Whether the filter's texts stand in the model's names. */
export function matchesTexts({ texts }: ModelFilter, id: string, displayName: string): boolean {
  if (texts.length === 0) return true;
  const names = `${id}\n${displayName}`.toLowerCase();
  return texts.every((text) => names.includes(text));
}

/** Notes a comparison. Returns what is wrong with it, or undefined. */
function readComparison(
  equals: { provider?: Provider; payer?: Payer },
  field: string,
  operator: string,
  value: string | undefined,
): string | undefined {
  if (field !== "provider" && field !== "payer") return "compares a field that models are not filtered by";
  if (operator !== "=") return `${field} is compared by = only`;
  if (equals[field] !== undefined) return `names ${field} twice`;
  if (field === "provider") {
    const provider = PROVIDERS.find((one) => one === value);
    if (provider === undefined) return `provider is one of ${PROVIDERS.join(", ")}`;
    equals.provider = provider;
    return undefined;
  }
  const payer = PAYERS.find((one) => one === value);
  if (payer === undefined) return `payer is one of ${PAYERS.join(", ")}`;
  equals.payer = payer;
  return undefined;
}

function isOperator({ text, quoted }: { readonly text: string; readonly quoted: boolean }): boolean {
  return !quoted && /^[=<>]/.test(text);
}

function wrong(problem: string): ModelFilterReading {
  return { kind: "wrong", problem };
}
