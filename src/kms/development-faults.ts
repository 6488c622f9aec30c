import type { ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { DevelopmentKmsError } from "./development-error.ts";
import type { DevelopmentKmsAnswer } from "./development-operations.ts";

/** What the development KMS can be told to do instead of answering well. */
export type DevelopmentKmsFault =
  /** Answers well, but later. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Answers with this KMS error ("ThrottlingException", "KMSInternalException", …) and text. */
  | { readonly kind: "error"; readonly name: string; readonly message?: string }
  /** Cuts the connection without an answer. */
  | { readonly kind: "reset" }
  /** Never answers. */
  | { readonly kind: "hang" }
  /** `200 {}`. */
  | { readonly kind: "empty-object" }
  /** A load balancer's 503 without a body. */
  | { readonly kind: "empty-503" }
  /** A proxy's 502 page. */
  | { readonly kind: "html-502" }
  /** Half of the right answer, with status 200. */
  | { readonly kind: "truncated-json" }
  /** The right answer with a plaintext of this many bytes. */
  | { readonly kind: "plaintext-bytes"; readonly bytes: number }
  /** The right answer under another key's name. */
  | { readonly kind: "wrong-key-id" };

const OTHER_KEY_ARN = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";

/** Answers a request badly. `perform` gives the right answer, for the faults that bend it. */
export async function answerBadly(
  fault: DevelopmentKmsFault,
  perform: () => DevelopmentKmsAnswer,
  response: ServerResponse,
  send: (status: number, body: string) => void,
): Promise<void> {
  switch (fault.kind) {
    case "delay":
      await delay(fault.ms, undefined, { ref: false });
      return send(200, JSON.stringify(perform()));
    case "error":
      throw new DevelopmentKmsError(fault.name, fault.message);
    case "reset":
      response.socket?.resetAndDestroy();
      return;
    case "hang":
      return;
    case "empty-object":
      return send(200, "{}");
    case "empty-503":
      return send(503, "");
    case "html-502":
      return send(502, "<html><body><h1>502 Bad Gateway</h1></body></html>");
    case "truncated-json": {
      const whole = JSON.stringify(perform());
      return send(200, whole.slice(0, whole.length - 10));
    }
    case "plaintext-bytes":
      return send(200, JSON.stringify({ ...perform(), Plaintext: Buffer.alloc(fault.bytes, 7).toString("base64") }));
    case "wrong-key-id":
      return send(200, JSON.stringify({ ...perform(), KeyId: OTHER_KEY_ARN, KeyMetadata: { Arn: OTHER_KEY_ARN } }));
  }
}
