import { createHash } from "node:crypto";
import type { Consent, OpenRequest } from "../consent.ts";
import { ALNUM, randomText } from "../random-text.ts";
import type { MintOptions } from "../sim-key.ts";
import { asRecord, html, json, type WireAnswer } from "../wire.ts";

const PAGE_PATH = "/auth";
const EXCHANGE_PATH = "/api/v1/auth/keys";
const CODE_LIFE_MS = 10 * 60_000;

interface Grant {
  readonly challenge: string | null;
  readonly method: string | null;
  expireMs: number;
}

/** OpenRouter's one click, after `guides/overview/auth/oauth.mdx` and its OpenAPI. What a denial looks like is not documented; it redirects with `error`. */
export function createOpenRouterConsent(mintKey: (options: MintOptions) => string): Consent {
  const grants = new Map<string, Grant>();
  const minted: string[] = [];
  const verifiers: string[] = [];
  let mintOptions: MintOptions = {};
  let isNextLost = false;
  let exchanges = 0;

  function decide(url: URL, body: string): WireAnswer {
    const callback = callbackOf(url);
    if (callback === undefined) return html(400, "<h1>Invalid callback_url</h1>");
    if (new URLSearchParams(body).get("decision") !== "approve") return redirect(callback, "error=access_denied");
    const code = `auth_code_${randomText(ALNUM, 32)}`;
    grants.set(code, {
      challenge: url.searchParams.get("code_challenge"),
      method: url.searchParams.get("code_challenge_method"),
      expireMs: Date.now() + CODE_LIFE_MS,
    });
    return redirect(callback, `code=${code}`);
  }

  function exchange(body: string): WireAnswer | "cut" {
    exchanges += 1;
    const request = readExchange(body);
    if (request === undefined) return failure(400, "Invalid request");
    verifiers.push(request.verifier);
    const grant = grants.get(request.code);
    if (grant === undefined) return failure(403, "Invalid code or code_verifier");
    if (grant.expireMs <= Date.now()) return failure(403, "Authorization code expired");
    if (grant.challenge !== null && (request.method ?? "plain") !== (grant.method ?? "plain")) {
      return failure(400, "Invalid code_challenge_method");
    }
    if (!isVerifierOf(grant, request.verifier)) return failure(403, "Invalid code or code_verifier");
    grants.delete(request.code);
    const key = mintKey(mintOptions);
    minted.push(key);
    if (!isNextLost) return json(200, { key, user_id: `user_${randomText(ALNUM, 24)}` });
    isNextLost = false;
    return "cut";
  }

  return {
    minted,
    verifiers,
    get exchanges() {
      return exchanges;
    },
    answer({ method, url, body }: OpenRequest) {
      if (url.pathname === PAGE_PATH) return method === "POST" ? decide(url, body) : page(url);
      if (url.pathname !== EXCHANGE_PATH) return undefined;
      return method === "POST" ? exchange(body) : failure(405, "Method Not Allowed");
    },
    expireCodes() {
      for (const grant of grants.values()) grant.expireMs = 0;
    },
    mintWith(options) {
      mintOptions = options;
    },
    loseNextAnswer() {
      isNextLost = true;
    },
  };
}

function page(url: URL): WireAnswer {
  const callback = callbackOf(url);
  if (callback === undefined) return html(400, "<!doctype html><h1>Invalid callback_url</h1>");
  const action = escapeHtml(`${url.pathname}${url.search}`);
  return html(
    200,
    `<!doctype html><title>Simulated OpenRouter</title><h1>Let ${escapeHtml(callback.host)} make a key of yours?</h1>` +
      `<form method="post" action="${action}"><button name="decision" value="approve">Approve</button> ` +
      `<button name="decision" value="deny">Deny</button></form>`,
  );
}

/** "Supports https URLs and localhost/127.0.0.1 URLs on any port." */
function callbackOf(url: URL): URL | undefined {
  const text = url.searchParams.get("callback_url");
  if (text === null || !URL.canParse(text)) return undefined;
  const callback = new URL(text);
  const isLocal = callback.hostname === "localhost" || callback.hostname === "127.0.0.1";
  return callback.protocol === "https:" || (callback.protocol === "http:" && isLocal) ? callback : undefined;
}

function redirect(callback: URL, parameter: string): WireAnswer {
  const location = `${callback.href}${callback.search === "" ? "?" : "&"}${parameter}`;
  return { status: 303, body: "", headers: { location } };
}

function readExchange(body: string): { code: string; verifier: string; method: string | undefined } | undefined {
  try {
    const { code, code_verifier: verifier, code_challenge_method: method } = asRecord(JSON.parse(body));
    if (typeof code !== "string") return undefined;
    return {
      code,
      verifier: typeof verifier === "string" ? verifier : "",
      method: typeof method === "string" ? method : undefined,
    };
  } catch {
    // No JSON: an invalid request.
    return undefined;
  }
}

function isVerifierOf({ challenge, method }: Grant, verifier: string): boolean {
  if (challenge === null) return true;
  return (method === "S256" ? createHash("sha256").update(verifier).digest("base64url") : verifier) === challenge;
}

function failure(code: number, message: string): WireAnswer {
  return json(code, { error: { message, code } });
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
