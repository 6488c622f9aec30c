import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../src/base/secret.ts";
import { makePkce } from "../../src/keyvault/pkce.ts";
import { authorizationUrl } from "../../src/providers/authorization-url.ts";
import { createCodeExchanger, type Exchange } from "../../src/providers/exchange-code.ts";
import { approve } from "../simulators/consent.ts";
import type { Fault } from "../simulators/fault.ts";
import { OPENROUTER_SPEC } from "../simulators/providers/openrouter.ts";
import { type ProviderSimulator, startSimulator } from "../simulators/simulator.ts";

const CALLBACK = "https://app.example/back";
const clock = { nowMs: () => Date.now() };
let openRouter: ProviderSimulator;

beforeAll(async () => {
  openRouter = await startSimulator(OPENROUTER_SPEC);
});
afterEach(() => openRouter.setFault(undefined));
afterAll(() => openRouter.close());

function exchange(code: string, verifier: Secret, deadlineMs = 5_000): Promise<Exchange> {
  const exchanger = createCodeExchanger({ overrideOrigin: openRouter.origin, clock, deadlineMs });
  return exchanger.exchange(Secret.fromText(code), verifier);
}

/** A code that the user approved, and its verifier. */
async function approvedCode(): Promise<{ code: string; verifier: Secret }> {
  const { verifier, codeChallenge } = makePkce();
  const { code } = await approve(authorizationUrl(CALLBACK, codeChallenge, openRouter.origin));
  return { code, verifier };
}

test("an approved code with its verifier brings a key that OpenRouter knows, once", async () => {
  const { code, verifier } = await approvedCode();
  const first = await exchange(code, verifier);
  if (first.kind !== "minted") throw new Error(`not minted: ${first.why}`);
  expect(openRouter.consent.minted).toContain(first.secret.reveal().toString("latin1"));
  expect(await exchange(code, verifier)).toEqual({ kind: "refused", why: "code_refused", httpStatus: 403 });
});

describe("each documented refusal is told apart", () => {
  test("a code that was never given out", async () => {
    const { verifier } = makePkce();
    expect(await exchange("made-up", verifier)).toMatchObject({
      kind: "refused",
      why: "code_refused",
      httpStatus: 403,
    });
  });

  test("another connect's verifier", async () => {
    const { code } = await approvedCode();
    expect(await exchange(code, makePkce().verifier)).toMatchObject({ kind: "refused", why: "code_refused" });
  });

  test("a code that is too old", async () => {
    const { code, verifier } = await approvedCode();
    openRouter.consent.expireCodes();
    expect(await exchange(code, verifier)).toEqual({ kind: "refused", why: "code_expired", httpStatus: 403 });
  });

  test("an authorization page that was shown another method", async () => {
    const { verifier, codeChallenge } = makePkce();
    const url = new URL(authorizationUrl(CALLBACK, codeChallenge, openRouter.origin));
    url.searchParams.delete("code_challenge_method");
    const { code } = await approve(url.href);
    expect(await exchange(code, verifier)).toEqual({ kind: "refused", why: "challenge_refused", httpStatus: 400 });
  });

  const FAULTS: readonly (readonly [Fault, object])[] = [
    [
      { kind: "status", status: 405 },
      { kind: "refused", why: "request_refused", httpStatus: 405 },
    ],
    [
      { kind: "status", status: 404 },
      { kind: "refused", why: "request_refused", httpStatus: 404 },
    ],
    [
      { kind: "status", status: 500 },
      { kind: "lost", why: "server_error", httpStatus: 500 },
    ],
    [
      { kind: "html", status: 502 },
      { kind: "lost", why: "server_error", httpStatus: 502 },
    ],
    [
      { kind: "html", status: 200 },
      { kind: "lost", why: "unreadable_answer", httpStatus: 200 },
    ],
    [
      { kind: "status", status: 200, body: { key: "" } },
      { kind: "lost", why: "unreadable_answer", httpStatus: 200 },
    ],
    [
      { kind: "status", status: 200, body: { key: "x".repeat(513) } },
      { kind: "lost", why: "unreadable_answer" },
    ],
    [{ kind: "status", status: 200, body: { key: "x", pad: "y".repeat(20_000) } }, { kind: "lost" }],
    [
      { kind: "status", status: 429 },
      { kind: "lost", why: "rate_limited", httpStatus: 429 },
    ],
    [{ kind: "reset" }, { kind: "lost", why: "unreachable" }],
    [{ kind: "hang" }, { kind: "lost", why: "timeout" }],
  ];
  test.each(FAULTS)("%j", async (fault, expected) => {
    const { code, verifier } = await approvedCode();
    openRouter.setFault(fault, "call");
    expect(await exchange(code, verifier, fault.kind === "hang" ? 100 : 5_000)).toMatchObject(expected);
  });

  test("a redirect, which is not followed: code and verifier reach no other host", async () => {
    let visits = 0;
    const elsewhere = createServer((_request, response) => {
      visits += 1;
      response.end("{}");
    });
    await new Promise<void>((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
    const { code, verifier } = await approvedCode();
    openRouter.setFault(
      { kind: "redirect", to: `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/` },
      "call",
    );
    expect(await exchange(code, verifier)).toEqual({ kind: "lost", why: "redirect", httpStatus: 307 });
    await new Promise((resolve) => elsewhere.close(resolve));
    expect(visits).toBe(0);
  });
});

test("the exchange is one POST without a credential, and only POST is served there", async () => {
  const sent: { url: string; method: string | undefined; headers: Headers; body: unknown }[] = [];
  const exchanger = createCodeExchanger({
    clock,
    fetch: async (url, init) => {
      sent.push({
        url: String(url),
        method: init?.method,
        headers: new Headers(init?.headers),
        body: JSON.parse(Buffer.from(init?.body as Uint8Array).toString()),
      });
      return Response.json({ error: { message: "no", code: 403 } }, { status: 403 });
    },
  });
  const verifier = Secret.fromText("v".repeat(43));
  await exchanger.exchange(Secret.fromText("the-code"), verifier);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({
    url: "https://openrouter.ai/api/v1/auth/keys",
    method: "POST",
    body: { code: "the-code", code_verifier: "v".repeat(43), code_challenge_method: "S256" },
  });
  expect(sent[0]?.headers.has("authorization")).toBe(false);
  expect((await fetch(`${openRouter.origin}/api/v1/auth/keys`)).status).toBe(405);
});

test("whatever fetch throws becomes an outcome that quotes nothing of it", async () => {
  const exchanger = createCodeExchanger({ clock, fetch: () => Promise.reject(new TypeError("the-code")) });
  const outcome = await exchanger.exchange(Secret.fromText("the-code"), Secret.fromText("v"));
  expect(outcome).toEqual({ kind: "lost", why: "unreachable" });
});

test("the authorization page is OpenRouter's own, or the operator's origin, and asks for S256", () => {
  const own = new URL(authorizationUrl("https://app.example/back?a=1%202&b", "challenge"));
  expect(`${own.origin}${own.pathname}`).toBe("https://openrouter.ai/auth");
  expect(Object.fromEntries(own.searchParams)).toEqual({
    callback_url: "https://app.example/back?a=1%202&b",
    code_challenge: "challenge",
    code_challenge_method: "S256",
    key_label: "plori",
  });
  expect(authorizationUrl(CALLBACK, "c", "http://127.0.0.1:9")).toMatch(/^http:\/\/127\.0\.0\.1:9\/auth\?/);
});
