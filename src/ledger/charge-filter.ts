import { filterTokens } from "../base/filter-tokens.ts";
import { type Payer, PROVIDERS, type Provider } from "../base/provider.ts";
import type { UsageKind } from "./rows.ts";

const FILTER_MAX_CHARS = 2_000;
const CONDITIONS_MAX = 10;
const LABEL_FIELD = /^labels\.([a-z0-9_-]{1,63})$/;
const KINDS: readonly UsageKind[] = ["MODEL_CALL", "COMPUTE", "DISK"];
const PAYERS: readonly Payer[] = ["BYOK", "HOSTED"];
const TIME_OPERATORS = ["=", ">=", "<=", ">", "<"] as const;

/** How a time is compared. */
export type TimeOperator = (typeof TIME_OPERATORS)[number];

/** One condition on a charge; a filter is all of its conditions together. */
export type ChargeCondition =
  | { readonly field: "kind"; readonly value: UsageKind }
  | { readonly field: "payer"; readonly value: Payer }
  | { readonly field: "provider"; readonly value: Provider }
  | { readonly field: "agent" | "model" | "upstream_model" | "call_id"; readonly value: string }
  | { readonly field: "occur_time"; readonly operator: TimeOperator; readonly valueMs: number }
  | { readonly field: "label"; readonly name: string; readonly value: string };

/** A filter, or what is wrong with it. */
export type FilterReading =
  | { readonly kind: "ok"; readonly conditions: readonly ChargeCondition[] }
  | { readonly kind: "wrong"; readonly problem: string };

/**
 * Reads a filter over charges, a subset of AIP-160:
 *
 *     filter     = [ condition { "AND" condition } ] ;
 *     condition  = text field "=" value | "occur_time" operator value ;
 *     text field = "kind" | "payer" | "provider" | "agent" | "model" | "upstream_model" | "call_id" | "labels." name ;
 *     operator   = "=" | ">=" | "<=" | ">" | "<" ;
 *     value      = word | '"' { any character, `\"` for a quote, `\\` for a backslash } '"' ;
 *
 * A word is anything without spaces, quotes, `=`, `<` and `>`. Providers are written in lower case, kinds and payers as in the API without their prefix, times as
 * RFC 3339.
 */
export function readChargeFilter(text: string): FilterReading {
  if (text.length > FILTER_MAX_CHARS) return wrong(`must be at most ${FILTER_MAX_CHARS} characters`);
  const tokens = filterTokens(text);
  if (tokens === undefined) return wrong("has a quote that does not end, or a character that belongs to nothing");
  const conditions: ChargeCondition[] = [];
  for (let at = 0; at < tokens.length; at += 3) {
    if (at > 0) {
      const joint = tokens[at];
      if (joint === undefined || joint.quoted || joint.text !== "AND") return wrong("conditions are joined by AND");
      at += 1;
    }
    const [field, operator, value] = tokens.slice(at, at + 3);
    if (field === undefined || operator === undefined || value === undefined)
      return wrong("each condition is a field, an operator and a value");
    const condition = readCondition(field.text, operator.text, value.text);
    if (typeof condition === "string") return wrong(condition);
    conditions.push(condition);
  }
  return conditions.length > CONDITIONS_MAX
    ? wrong(`has more than ${CONDITIONS_MAX} conditions`)
    : { kind: "ok", conditions };
}

function readCondition(field: string, operator: string, value: string): ChargeCondition | string {
  if (field === "occur_time") {
    const known = TIME_OPERATORS.find((one) => one === operator);
    const valueMs = RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
    if (known === undefined) return "occur_time is compared by =, >=, <=, > or <";
    return Number.isNaN(valueMs) ? "occur_time is compared with an RFC 3339 time" : { field, operator: known, valueMs };
  }
  const label = LABEL_FIELD.exec(field)?.[1];
  const isText = field === "agent" || field === "model" || field === "upstream_model" || field === "call_id";
  if (label === undefined && !isText && field !== "kind" && field !== "payer" && field !== "provider")
    return "names a field that charges are not filtered by";
  if (operator !== "=") return `${field} is compared by = only`;
  if (label !== undefined) return { field: "label", name: label, value };
  if (isText) return { field, value };
  if (field === "kind") {
    const kind = KINDS.find((one) => one === value);
    return kind === undefined ? `kind is one of ${KINDS.join(", ")}` : { field, value: kind };
  }
  if (field === "payer") {
    const payer = PAYERS.find((one) => one === value);
    return payer === undefined ? `payer is one of ${PAYERS.join(", ")}` : { field, value: payer };
  }
  const provider = PROVIDERS.find((one) => one === value);
  return provider === undefined ? `provider is one of ${PROVIDERS.join(", ")}` : { field: "provider", value: provider };
}

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function wrong(problem: string): FilterReading {
  return { kind: "wrong", problem };
}
