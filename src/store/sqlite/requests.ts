import type { RequestKey } from "../../audit/mutation.ts";
import { PloriError } from "../../base/errors.ts";
import { fromPlainJson } from "../../base/plain-json.ts";

/** Selects the answer stored under a request's id; its values are `answerKey(request)`, its row is read by `readAnswer`. */
export const SELECT_ANSWER =
  "SELECT field_hashes AS fieldHashes, answer FROM request WHERE account = ? AND caller = ? AND method = ? AND request_id = ?";

/** The values for `SELECT_ANSWER`. */
export function answerKey(request: RequestKey): [string, string, string, string] {
  return [request.account, request.caller, request.method, request.requestId];
}

/** The answer that a row holds, undefined when there is no row. Throws REQUEST_ID_CONFLICT when it was given to another payload. */
export function readAnswer(row: unknown, request: RequestKey): { readonly answer: unknown } | undefined {
  if (row === undefined) return undefined;
  const stored = row as { fieldHashes: string; answer: string };
  const before = JSON.parse(stored.fieldHashes) as Record<string, string>;
  const names = new Set([...Object.keys(before), ...Object.keys(request.fieldHashes)]);
  const differing = [...names].filter((name) => before[name] !== request.fieldHashes[name]).sort();
  if (differing.length === 0) return { answer: fromPlainJson(stored.answer) };
  throw new PloriError({
    reason: "REQUEST_ID_CONFLICT",
    message: `The request id ${request.requestId} was used with another payload (differing: ${differing.join(", ")}). Use a new request id for a new request.`,
    metadata: { request_id: request.requestId, differing_fields: differing.join(",") },
  });
}
