import type { JsonObject } from "@bufbuild/protobuf";
import type { Route } from "../../../src/gen/plori/router/v1/router_pb.ts";
import { asRecord } from "../../simulators/wire.ts";

/** What a model call brought back, as an agent host has it in hand. */
export interface ModelAnswer {
  /** The provider's own id of the call. */
  readonly id: string;
  readonly text: string;
  /** The provider's usage object, as it came over the wire. */
  readonly usage: JsonObject;
}

/** How a model call failed, as a host reports it. */
export interface ModelFailure {
  /** 0: no answer came, or it broke off. */
  readonly httpStatus: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
}

/** A provider's own client, used as an agent host uses it: base URL, credential, headers and model come from the route and from nowhere else. */
export interface ModelClient {
  /** The answer in one piece. Rejects as the client does. */
  whole(route: Route, prompt: string): Promise<ModelAnswer>;
  /** The answer as a stream that was read to its end. Rejects as the client does. */
  streamed(route: Route, prompt: string): Promise<ModelAnswer>;
  /** What the client's error says. Throws an error that is none of the client's. */
  failureOf(error: unknown): ModelFailure;
}

/** The longest that a call may take. */
export const CALL_MAX_MS = 10_000;

/** The credential as the SDKs want it; a host keeps it no longer than the call. */
export function apiKeyOf({ credential }: Route): string {
  return Buffer.from(credential).toString("latin1");
}

/** The output limit of a hosted route, which the host must send; nothing on a route that the user's own key pays. */
export function outputLimitOf<Name extends string>(route: Route, name: Name): { readonly [N in Name]?: number } {
  const limit = { [name]: Number(route.maxOutputTokens) } as { readonly [N in Name]?: number };
  return route.maxOutputTokens === 0n ? {} : limit;
}

/** A usage object, as it came. Throws when there is none. */
export function usageOf(usage: unknown): JsonObject {
  if (typeof usage !== "object" || usage === null) throw new Error("the provider told no usage");
  const verbatim: JsonObject = JSON.parse(JSON.stringify(usage));
  return verbatim;
}

/** The parts of a refused call; `body` is JSON, or the text when it is none. */
export function failureFrom(status: number, headers: Headers | undefined, body: unknown): ModelFailure {
  const wait = headers?.get("retry-after");
  return {
    httpStatus: status,
    ...errorIn(body),
    retryAfterSeconds: wait === null || wait === undefined ? undefined : Number(wait),
  };
}

/** A call that got no answer, or none to its end. */
export function withoutAnswer(message: string): ModelFailure {
  return { httpStatus: 0, code: "", message, retryAfterSeconds: undefined };
}

/** The three shapes of errors: `{error: {code, type, message}}`, xAI's flat `{code, error}`, and plain text. */
function errorIn(body: unknown): { readonly code: string; readonly message: string } {
  if (typeof body === "string") return { code: "", message: body };
  const { error, code: flatCode } = asRecord(body);
  if (typeof error === "string") return { code: textOf(flatCode), message: error };
  const { code, type, message, metadata } = asRecord(error);
  const { error_type, reason } = asRecord(metadata);
  const told = textOf(error_type) || textOf(reason) || textOf(code) || textOf(type);
  return { code: told, message: textOf(message) };
}

function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
