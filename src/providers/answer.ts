import type { AnswerRule } from "./descriptor.ts";
import { readPath } from "./json-path.ts";

/** A provider's answer, read as tolerantly as providers write: JSON or not, nested or flat errors, numeric or textual codes. */
export interface Answer {
  readonly status: number;
  /** The whole body in lower case, for matching only: it may hold parts of a key and is never handed on. */
  readonly lowerText: string;
  /** The parsed body; undefined when it is not JSON, or was cut off. */
  readonly json: unknown;
  readonly code: string;
  readonly type: string;
  /** The body was longer than what was read, and began like JSON. */
  readonly cutJson: boolean;
}

/** Reads a body of an answer. `truncated`: more of it existed. */
export function readAnswer(status: number, bodyText: string, truncated: boolean): Answer {
  const json = truncated ? undefined : parseJson(bodyText);
  return {
    status,
    lowerText: bodyText.toLowerCase(),
    json,
    code: textOf(readPath(json, "error.code")) || textOf(readPath(json, "code")),
    type: textOf(readPath(json, "error.type")) || textOf(readPath(json, "type")),
    cutJson: truncated && /^\s*[[{]/.test(bodyText),
  };
}

/** The outcome of the first rule that holds, or undefined. */
export function firstMatch<Outcome>(
  rules: readonly AnswerRule<Outcome>[],
  answer: Answer,
  nowMs: number,
): Outcome | undefined {
  return rules.find((rule) => holds(rule, answer, nowMs))?.outcome;
}

function holds(rule: AnswerRule<unknown>, answer: Answer, nowMs: number): boolean {
  const at = (path: string): unknown => readPath(answer.json, path);
  return (
    (typeof rule.status === "number" ? rule.status === answer.status : rule.status.includes(answer.status)) &&
    (rule.codes === undefined || rule.codes.includes(answer.code)) &&
    (rule.codePrefix === undefined || answer.code.startsWith(rule.codePrefix)) &&
    (rule.type === undefined || rule.type === answer.type) &&
    (rule.text === undefined || answer.lowerText.includes(rule.text)) &&
    (rule.anyTrue === undefined || rule.anyTrue.some((path) => at(path) === true)) &&
    (rule.isFalse === undefined || at(rule.isFalse) === false) &&
    (rule.notPositive === undefined || isNotPositive(at(rule.notPositive))) &&
    (rule.past === undefined || isPast(at(rule.past), nowMs)) &&
    (rule.hasAny === undefined || rule.hasAny.some((path) => isThere(at(path)))) &&
    // A list too long to be read whole cannot be parsed; that it begins like JSON has to do.
    (rule.hasList === undefined || answer.cutJson || rule.hasList.some((path) => Array.isArray(at(path))))
  );
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function isNotPositive(value: unknown): boolean {
  return typeof value === "number" && value <= 0;
}

function isPast(value: unknown, nowMs: number): boolean {
  return typeof value === "string" && Date.parse(value) <= nowMs;
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Plain text and HTML are answers too; the rules then look at the text.
    return undefined;
  }
}
