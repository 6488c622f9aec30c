import { html, json, plainText, type WireAnswer } from "./wire.ts";

/** Something wrong with a whole provider, on command. */
export type Fault =
  /** Takes the request and never answers. */
  | { readonly kind: "hang" }
  /** Cuts the connection instead of answering. */
  | { readonly kind: "reset" }
  /** Answers everything so; the body defaults to a JSON error. */
  | { readonly kind: "status"; readonly status: number; readonly body?: unknown }
  /** A page where JSON belongs, as proxies and captive portals serve it. */
  | { readonly kind: "html"; readonly status: number }
  | { readonly kind: "text"; readonly status: number; readonly body: string }
  | { readonly kind: "redirect"; readonly to: string }
  /** Sends the head and half of the right body, then nothing more. */
  | { readonly kind: "slow_body" }
  /** GET lists grow to at least so many bytes. */
  | { readonly kind: "huge_list"; readonly bytes: number }
  /** GET lists name so many models, under short ids. */
  | { readonly kind: "many_models"; readonly count: number }
  /** Streams end without a word after so many chunks. */
  | { readonly kind: "cut_stream"; readonly afterChunks: number };

/** Which requests a fault hits. */
export type FaultScope = "all" | "get" | "call";

/** The answer that the fault puts in place of the right one; undefined when the fault works otherwise. */
export function answerOfFault(fault: Fault): WireAnswer | undefined {
  switch (fault.kind) {
    case "status":
      return json(
        fault.status,
        fault.body ?? { error: { message: "The server had an error", type: "server_error", code: null } },
      );
    case "html":
      return html(fault.status, "<!doctype html><html><body><h1>Please sign in to this network</h1></body></html>");
    case "text":
      return plainText(fault.status, fault.body);
    case "redirect":
      return { status: 307, body: "", headers: { location: fault.to } };
    default:
      return undefined;
  }
}
