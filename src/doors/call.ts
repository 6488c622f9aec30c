import type { Caller } from "../identity/roles.ts";

/** What a handler knows about the call besides the request. */
export interface Call {
  readonly caller: Caller;
  /** How the request and the answer are encoded on the wire. */
  readonly codec: "proto" | "json";
  /** Aborts when the caller goes away or its deadline passes. */
  readonly signal: AbortSignal;
}
