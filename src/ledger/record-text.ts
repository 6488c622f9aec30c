import type { Authority, CallUsage, UsageRecord, Used } from "./usage-record.ts";

/** Counts the ways in which a record was ever written as text, so that a later one can be told apart. */
const TEXT_VERSION = 1;

/**
 * What its caller said in a record, as one text: defaults filled in, names sorted, numbers as decimal text. Two records say the same if and only if their
 * texts are equal; it is what a repeated usage id is compared by, and it keeps the provider's usage object as it was told. The account, the kind and the
 * usage id are not in it: they are the key under which it is found.
 */
export function recordText(record: UsageRecord): string {
  return JSON.stringify({
    version: TEXT_VERSION,
    agent: record.agent,
    occur_time: record.occurMs,
    labels: sorted(record.labels),
    ...(record.used === undefined ? {} : usedFields(record.used)),
  });
}

/** The names of the fields in which two texts differ, sorted. */
export function differingFields(before: string, after: string): readonly string[] {
  const a = JSON.parse(before) as Record<string, unknown>;
  const b = JSON.parse(after) as Record<string, unknown>;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name])).sort();
}

/** The labels that stand in a record's text. */
export function labelsIn(text: string): Readonly<Record<string, string>> {
  return (JSON.parse(text) as { labels: Record<string, string> }).labels;
}

function usedFields(used: Used): Record<string, unknown> {
  switch (used.kind) {
    case "MODEL_CALL":
      return {
        ...authorityFields(used.authority),
        call_id: used.callId,
        attempt: used.attempt === 0 ? 1 : used.attempt,
        ...usageFields(used.usage),
        outcome: used.outcome,
        provider_request_id: used.providerRequestId,
      };
    case "COMPUTE":
      return {
        vcpu_milliseconds: used.vcpuMilliseconds.toString(),
        memory_mib_milliseconds: used.memoryMibMilliseconds.toString(),
      };
    case "DISK":
      return { byte_seconds: used.byteSeconds.toString() };
  }
}

function authorityFields(authority: Authority): Record<string, unknown> {
  if (authority.kind === "route") return { route: authority.routeId };
  return authority.kind === "hold" ? { hold: authority.name } : {};
}

function usageFields(usage: CallUsage): Record<string, unknown> {
  if (usage.kind === "none") return {};
  if (usage.kind === "provider") return { provider_usage: sorted(usage.usage) };
  const { inputUncached, cacheRead, cacheWrite, output, reasoning } = usage.tokens;
  return {
    input_uncached_tokens: inputUncached.toString(),
    cache_read_tokens: cacheRead.toString(),
    cache_write_tokens: cacheWrite.toString(),
    output_tokens: output.toString(),
    reasoning_tokens: reasoning.toString(),
  };
}

/** The same JSON with the names of every object in order: a client's map has none of its own, and a retry may come in another. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const names = Object.keys(value).sort();
  if (names.length === 0) return value;
  // Without a prototype, a member named "__proto__" is a member like any other.
  const ordered: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const name of names) ordered[name] = sorted((value as Record<string, unknown>)[name]);
  return ordered;
}
