import { PloriError, type Reason, refuse } from "../base/errors.ts";
import type { Exchange, ExchangeLoss, ExchangeRefusal } from "../providers/exchange-code.ts";
import type { ConnectState, StoredConnect } from "./connect-ports.ts";

/** A completion that is claimed for longer has ended without a word: its process died. Twice as long as all of its steps may take. */
const RUNNING_MAX_MS = 60_000;
const BEGIN_AGAIN = "Begin the connect again.";

/** The refusal for an id that names no connect of the account's. Another account's connect looks just like none. */
export function connectNotFound(): PloriError {
  return refuse("CONNECT_NOT_FOUND", `The account has no such connect. ${BEGIN_AGAIN}`);
}

/** Why a stored connect cannot be completed now; undefined when it can. */
export function whyNotOpen(connect: StoredConnect, nowMs: number): PloriError | undefined {
  const { state } = connect;
  if (state !== "OPEN") return connectSpent(state, connect.claimMs ?? 0, nowMs);
  if (connect.sealedVerifier !== undefined && nowMs < connect.expireMs) return undefined;
  return refuse("CONNECT_EXPIRED", `The connect was not completed within ten minutes. ${BEGIN_AGAIN}`, {
    expired: "CONNECT",
  });
}

function connectSpent(state: Exclude<ConnectState, "OPEN">, claimMs: number, nowMs: number): PloriError {
  const silent = nowMs - claimMs < RUNNING_MAX_MS ? "RUNNING" : "LOST";
  const outcome = state === "CLAIMED" ? silent : state;
  return refuse("CONNECT_SPENT", SPENT_MESSAGES[outcome], { outcome });
}

const SPENT_MESSAGES: Readonly<Record<"COMPLETED" | "RUNNING" | "REFUSED" | "LOST", string>> = {
  COMPLETED: "The connect was completed already: GetKey shows its key.",
  RUNNING:
    "The connect is being completed by another call, or was cut off a moment ago: ask GetKey whether the key came.",
  REFUSED: `The connect was used already, and nothing came of it. ${BEGIN_AGAIN}`,
  LOST: `The connect was used already and was cut off: a key that nobody uses may be left at OpenRouter. ${BEGIN_AGAIN}`,
};

const REFUSED: Readonly<Record<ExchangeRefusal, readonly [Reason, string]>> = {
  code_refused: ["CONNECT_CODE_REFUSED", "OpenRouter does not accept the code for this connect."],
  code_expired: ["CONNECT_EXPIRED", "OpenRouter says that the code is too old: a code lives ten minutes."],
  challenge_refused: [
    "CONNECT_CHALLENGE_REFUSED",
    "OpenRouter was shown another challenge method than S256: the user must be sent to the whole authorization_url.",
  ],
  request_refused: ["CONNECT_EXCHANGE_REFUSED", "OpenRouter refuses the exchange as this service makes it."],
};

const LOST: Readonly<Record<ExchangeLoss, string>> = {
  timeout: "OpenRouter did not answer in time.",
  unreachable: "OpenRouter could not be reached.",
  server_error: "OpenRouter had an error of its own.",
  redirect: "OpenRouter answered with a redirect, which is not followed.",
  rate_limited: "OpenRouter answers that there are too many requests just now.",
  unreadable_answer: "OpenRouter gave an answer that cannot be read.",
};

/** The refusal for an exchange that brought no key. It holds nothing that OpenRouter wrote. */
export function exchangeFailed(exchange: Exclude<Exchange, { readonly kind: "minted" }>): PloriError {
  const status = exchange.httpStatus === undefined ? {} : { http_status: String(exchange.httpStatus) };
  if (exchange.kind === "refused") {
    const [reason, message] = REFUSED[exchange.why];
    const expired = exchange.why === "code_expired" ? { expired: "CODE" } : {};
    return refuse(reason, message, { provider: "openrouter", ...status, ...expired });
  }
  return new PloriError({
    reason: "PROVIDER_UNREACHABLE",
    message: LOST[exchange.why],
    metadata: { provider: "openrouter", cause: exchange.why.toUpperCase(), ...status },
    ...(exchange.retryAfterMs === undefined ? {} : { retryAfterMs: exchange.retryAfterMs }),
  });
}

const DEFINITE: ReadonlySet<Reason> = new Set<Reason>([
  "CONNECT_EXPIRED",
  "CONNECT_CODE_REFUSED",
  "CONNECT_CHALLENGE_REFUSED",
  "CONNECT_EXCHANGE_REFUSED",
]);

/** How a claimed connect ended that failed with `error`. Whatever is not a definite refusal may have left a key at OpenRouter. */
export function endOf(error: unknown): "REFUSED" | "LOST" {
  return error instanceof PloriError && DEFINITE.has(error.reason) ? "REFUSED" : "LOST";
}

/** The same error, with what the caller has to know besides: that the connect is spent. */
export function butSpent(error: unknown): unknown {
  if (!(error instanceof PloriError)) return error;
  const { refusal } = error;
  const leftover = endOf(error) === "LOST" ? " A key that nobody uses may be left at OpenRouter." : "";
  return new PloriError(
    {
      ...refusal,
      message: `${refusal.message}${leftover} ${BEGIN_AGAIN}`,
      metadata: { ...refusal.metadata, connect: "SPENT" },
    },
    { cause: error.cause },
  );
}
