import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { askProvider } from "../../src/providers/ask.ts";
import { createProber } from "../../src/providers/prober.ts";

const QUESTION = { url: "https://provider.invalid/", headers: {}, deadlineMs: 10_000 };

function endlessBody(chunk: string) {
  const seen = { pulls: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      seen.pulls += 1;
      controller.enqueue(Buffer.from(chunk));
    },
    cancel() {
      seen.cancelled = true;
    },
  });
  return { seen, body };
}

test("a body without an end is read up to the bound and then let go", async () => {
  const { seen, body } = endlessBody("x".repeat(100));
  const fetchOne = () => Promise.resolve(new Response(body, { status: 200, headers: { "retry-after": "3" } }));
  const answer = await askProvider(fetchOne, { ...QUESTION, bodyMaxBytes: 1_050 });
  expect(answer).toEqual({ status: 200, bodyText: "x".repeat(1_050), truncated: true, retryAfter: "3" });
  expect(seen.cancelled).toBe(true);
  expect(seen.pulls).toBeLessThan(20);
});

test("a body of exactly the bound is whole", async () => {
  const fetchOne = () => Promise.resolve(new Response("x".repeat(64)));
  expect(await askProvider(fetchOne, { ...QUESTION, bodyMaxBytes: 64 })).toMatchObject({ truncated: false });
  expect(await askProvider(fetchOne, { ...QUESTION, bodyMaxBytes: 63 })).toMatchObject({ truncated: true });
});

test("a probe reads no more than its bound of an endless list", async () => {
  const { seen, body } = endlessBody(`[${" ".repeat(1023)}`);
  const fetchOne = () => Promise.resolve(new Response(body));
  const prober = createProber({ clock: manualClock(0), fetch: fetchOne });
  expect((await prober.probe("together", Secret.fromText("x"))).outcome).toBe("valid");
  expect(seen).toMatchObject({ cancelled: true });
  expect(seen.pulls).toBeLessThan(70);
});

test("the credential stands in the provider's own header, once, and nowhere else in the request", async () => {
  const text = ["probe", "me"].join("-");
  const sent: { url: string; init: RequestInit | undefined }[] = [];
  const fetchOne: typeof fetch = (url, init) => {
    sent.push({ url: String(url), init });
    return Promise.resolve(new Response("{}", { status: 401 }));
  };
  await createProber({ clock: manualClock(0), fetch: fetchOne }).probe("deepseek", Secret.fromText(text));
  expect(sent).toHaveLength(1);
  expect(sent[0]?.url).toBe("https://api.deepseek.com/user/balance");
  expect(sent[0]?.init).toMatchObject({ method: "GET", redirect: "manual" });
  expect(sent[0]?.init?.headers).toEqual({
    accept: "application/json",
    "user-agent": "plori-byok",
    authorization: `Bearer ${text}`,
  });
});
