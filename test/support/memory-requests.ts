import type { RequestKey } from "../../src/audit/mutation.ts";
import { refuse } from "../../src/base/errors.ts";

/** Answers by request id, in memory. */
export interface MemoryRequests {
  /** The answer given before, in a box; undefined when there is none. Throws REQUEST_ID_CONFLICT. */
  find(request: RequestKey | undefined): { readonly answer: unknown } | undefined;
  keep(request: RequestKey | undefined, answer: unknown): void;
}

/** An empty log of requests. */
export function createMemoryRequests(): MemoryRequests {
  const kept = new Map<string, { readonly request: RequestKey; readonly answer: unknown }>();
  const nameOf = ({ caller, method, account, requestId }: RequestKey) =>
    [caller, method, account, requestId].join("\n");
  return {
    find(request) {
      const before = request === undefined ? undefined : kept.get(nameOf(request));
      if (request === undefined || before === undefined) return undefined;
      const names = new Set([...Object.keys(before.request.fieldHashes), ...Object.keys(request.fieldHashes)]);
      const differing = [...names].filter((name) => before.request.fieldHashes[name] !== request.fieldHashes[name]);
      if (differing.length === 0) return { answer: before.answer };
      throw refuse("REQUEST_ID_CONFLICT", "The request id was used with another payload.", {
        differing_fields: differing.sort().join(","),
      });
    },
    keep(request, answer) {
      if (request !== undefined) kept.set(nameOf(request), { request, answer });
    },
  };
}
