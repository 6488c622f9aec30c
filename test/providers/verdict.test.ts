import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PROVIDERS } from "../../src/base/provider.ts";
import { describeProvider } from "../../src/providers/descriptors.ts";
import { judgeProbe } from "../../src/providers/verdict.ts";
import { DECISION_TABLE } from "./decision-table.ts";

const NOW_MS = Date.UTC(2026, 10, 1);

function bodyTextOf(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}

describe("every row of the decision table", () => {
  test.each(DECISION_TABLE)(
    "$provider: $when ($status) is $outcome",
    ({ provider, status, body, outcome, headerMissing }) => {
      const verdict = judgeProbe(
        describeProvider(provider),
        { status, bodyText: bodyTextOf(body), headers: {} },
        NOW_MS,
      );
      expect(verdict).toMatchObject({ outcome, httpStatus: status });
      expect(verdict.headerMissing).toBe(headerMissing);
    },
  );
});

test("only an answer that says so is a reason to refuse a key: nonsense, HTML and 5xx never are", () => {
  const statuses = [200, 204, 301, 302, 307, 308, 404, 405, 418, 500, 502, 503, 504, 520];
  const bodies = [
    "",
    "{}",
    "null",
    "[1",
    "<!doctype html><h1>Sign in</h1>",
    '"text"',
    '{"error":null}',
    '{"data":null}',
  ];
  for (const provider of PROVIDERS) {
    for (const status of statuses) {
      for (const bodyText of bodies) {
        expect(judgeProbe(describeProvider(provider), { status, bodyText, headers: {} }, NOW_MS).outcome).toBe(
          "unknown",
        );
      }
    }
  }
});

test("a list too long to be read whole still shows a live key, and a long page of HTML does not", () => {
  for (const provider of ["openai", "groq", "together"] as const) {
    const judge = (bodyText: string) =>
      judgeProbe(describeProvider(provider), { status: 200, bodyText, truncated: true, headers: {} }, NOW_MS).outcome;
    expect(judge(provider === "together" ? '[{"id":"a"},{"i' : '{"object":"list","data":[{"id')).toBe("valid");
    expect(judge("<html><body>")).toBe("unknown");
  }
});

test("no verdict holds anything that the provider wrote", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...DECISION_TABLE),
      fc.string({ minLength: 12, maxLength: 40, unit: fc.constantFrom(..."qzjxkvwQZJXKVW0123456789") }),
      ({ provider, status, body }, canary) => {
        const text = bodyTextOf(body);
        const planted =
          text.startsWith("{") && text !== "{}" ? `{"canary":"${canary}",${text.slice(1)}` : `${text} ${canary}`;
        const told = judgeProbe(
          describeProvider(provider),
          { status, bodyText: planted, headers: { retryAfter: canary } },
          NOW_MS,
        );
        const shown = JSON.stringify(told, (_name, value: unknown) =>
          typeof value === "bigint" ? value.toString() : value,
        );
        expect(shown).not.toContain(canary);
        expect(shown).not.toMatch(/\*\*\*|User not found|Incorrect API key|Insufficient Balance/);
      },
    ),
  );
});

test("OpenRouter's allowance is told in nano US dollars, exactly as it is written", () => {
  const body = { data: { limit: 25.1, limit_remaining: 0.123456789, expires_at: "2027-01-02T03:04:05Z" } };
  const verdict = judgeProbe(
    describeProvider("openrouter"),
    { status: 200, bodyText: JSON.stringify(body), headers: {} },
    NOW_MS,
  );
  expect(verdict.limits).toEqual({
    limitUsdNano: 25_100_000_000n,
    remainingUsdNano: 123_456_789n,
    expireMs: Date.UTC(2027, 0, 2, 3, 4, 5),
  });
});

test("an allowance that is not told is absent", () => {
  const judge = (data: object) =>
    judgeProbe(
      describeProvider("openrouter"),
      { status: 200, bodyText: JSON.stringify({ data }), headers: {} },
      NOW_MS,
    );
  expect(judge({ limit: null, limit_remaining: null })).not.toHaveProperty("limits");
  expect(judge({ limit: 1e300, limit_remaining: "much", expires_at: "soon" })).not.toHaveProperty("limits");
});

test("a provider's wait is at most an hour", () => {
  const wait = (retryAfter: string) =>
    judgeProbe(describeProvider("openai"), { status: 429, bodyText: "{}", headers: { retryAfter } }, NOW_MS)
      .retryAfterMs;
  expect(wait("7")).toBe(7_000);
  expect(wait("0.25")).toBe(250);
  expect(wait("864000")).toBe(3_600_000);
  expect(wait(new Date(NOW_MS + 90_000).toUTCString())).toBe(90_000);
  expect(wait(new Date(NOW_MS - 90_000).toUTCString())).toBe(0);
  for (const nonsense of ["", "-5", "soon", "1e9", "9".repeat(65)]) expect(wait(nonsense)).toBeUndefined();
});
