import { LIMITS } from "../base/limits.ts";
import type { Secret } from "../base/secret.ts";
import { askProviderBytes, type BoundedBytes } from "./ask.ts";
import { baseUrlOf } from "./base-url.ts";
import { OPENROUTER } from "./descriptors/openrouter.ts";
import { takeJsonSecret } from "./json-secret.ts";
import { parseRetryAfter } from "./retry-after.ts";

/** Why OpenRouter gave no key, when it said so definitely. */
export type ExchangeRefusal =
  /** It does not know the code, or the verifier is not that of the code's challenge. */
  | "code_refused"
  | "code_expired"
  /** The challenge method differs from what the authorization page was shown. */
  | "challenge_refused"
  /** It refuses the request as such, whatever the code: the method, the transport, the path. */
  | "request_refused";

/** Why it is not known whether OpenRouter made a key. */
export type ExchangeLoss =
  | "timeout"
  | "unreachable"
  | "server_error"
  | "redirect"
  | "rate_limited"
  | "unreadable_answer";

/** What came of an exchange. It holds nothing that OpenRouter wrote, but for the key itself. */
export type Exchange =
  | { readonly kind: "minted"; readonly secret: Secret }
  | { readonly kind: "refused"; readonly why: ExchangeRefusal; readonly httpStatus: number }
  | {
      readonly kind: "lost";
      readonly why: ExchangeLoss;
      readonly httpStatus?: number;
      readonly retryAfterMs?: number;
    };

/** Exchanges codes at OpenRouter for keys. */
export interface CodeExchanger {
  /**
   * Sends the code and the verifier once, never again. Whatever OpenRouter or the network does becomes an outcome. Code and verifier stay the caller's to
   * wipe; a minted key is the receiver's.
   */
  exchange(code: Secret, verifier: Secret): Promise<Exchange>;
}

/** What an exchanger needs. `overrideOrigin` replaces OpenRouter's own (`parseProviderUrls`). */
export interface CodeExchangerOptions {
  readonly overrideOrigin?: string | undefined;
  readonly fetch?: typeof fetch;
  readonly clock: { nowMs(): number };
  /** From the request's start to the end of the answer. */
  readonly deadlineMs?: number;
}

const DEADLINE_MS = 10_000;
const BODY_MAX_BYTES = 16 * 1024;

/** OpenRouter's `POST /auth/keys` (its OpenAPI and `guides/overview/auth/oauth.mdx`). It keeps nothing and logs nothing. */
export function createCodeExchanger(options: CodeExchangerOptions): CodeExchanger {
  const url = `${baseUrlOf(OPENROUTER, options.overrideOrigin)}/auth/keys`;
  return {
    async exchange(code, verifier) {
      const post = exchangeBody(code, verifier);
      let answer: BoundedBytes;
      try {
        answer = await askProviderBytes(options.fetch ?? fetch, {
          url,
          headers: { accept: "application/json", "content-type": "application/json", "user-agent": "plori-byok" },
          post,
          deadlineMs: options.deadlineMs ?? DEADLINE_MS,
          bodyMaxBytes: BODY_MAX_BYTES,
        });
      } catch (error) {
        // What fetch throws may quote the request; only whether the deadline ended it matters here.
        const isTimeout = error instanceof Error && error.name === "AbortError";
        return { kind: "lost", why: isTimeout ? "timeout" : "unreachable" };
      } finally {
        post.fill(0);
      }
      try {
        return judgeExchange(answer, options.clock.nowMs());
      } finally {
        answer.body.fill(0);
      }
    },
  };
}

/** The request's JSON as bytes that can be wiped. Code and verifier must be free of quotes, backslashes and control characters. */
function exchangeBody(code: Secret, verifier: Secret): Buffer<ArrayBuffer> {
  return Buffer.concat([
    Buffer.from('{"code":"'),
    code.reveal(),
    Buffer.from('","code_verifier":"'),
    verifier.reveal(),
    Buffer.from('","code_challenge_method":"S256"}'),
  ]);
}

function judgeExchange({ status, body, truncated, retryAfter }: BoundedBytes, nowMs: number): Exchange {
  if (status === 200) {
    const secret = truncated ? undefined : takeJsonSecret(body, "key", LIMITS.secretMaxChars);
    return secret === undefined
      ? { kind: "lost", why: "unreadable_answer", httpStatus: status }
      : { kind: "minted", secret };
  }
  if (status === 400) return { kind: "refused", why: "challenge_refused", httpStatus: status };
  if (status === 403) {
    const why = /expired/i.test(body.toString("latin1")) ? "code_expired" : "code_refused";
    return { kind: "refused", why, httpStatus: status };
  }
  if (status === 429) {
    const retryAfterMs = parseRetryAfter(retryAfter, nowMs);
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    return { kind: "lost", why: "rate_limited", httpStatus: status, ...wait };
  }
  if (status > 400 && status < 500) return { kind: "refused", why: "request_refused", httpStatus: status };
  if (status >= 300 && status < 400) return { kind: "lost", why: "redirect", httpStatus: status };
  return { kind: "lost", why: status >= 500 ? "server_error" : "unreadable_answer", httpStatus: status };
}
