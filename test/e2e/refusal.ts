import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";

/** What a caller learns of a refused call. */
export interface Refused {
  /** The canonical code's name, for example "InvalidArgument". */
  readonly code: string;
  readonly reason: string;
  readonly domain: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** The wrong fields' paths, in the order of the answer. */
  readonly fields: readonly string[];
  /** Undefined: no RetryInfo. */
  readonly retryMs: number | undefined;
  /** The details as they came: each one's type and bytes. */
  readonly details: readonly string[];
}

/** Waits for a call that must be refused. Throws when it succeeds, or fails otherwise than by an answer. */
export async function refused(call: Promise<unknown>): Promise<Refused> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return readRefusal(error);
    throw error;
  }
  throw new Error("the call succeeded, but should have been refused");
}

/** The parts of a refusal. */
export function readRefusal(error: ConnectError): Refused {
  const info = error.findDetails(ErrorInfoSchema)[0];
  const bad = error.findDetails(BadRequestSchema)[0];
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    code: Code[error.code] ?? "",
    reason: info?.reason ?? "",
    domain: info?.domain ?? "",
    message: error.rawMessage,
    metadata: { ...info?.metadata },
    fields: bad?.fieldViolations.map(({ field }) => field) ?? [],
    retryMs: delay === undefined ? undefined : Number(delay.seconds) * 1000 + delay.nanos / 1_000_000,
    details: error.details.map((detail) =>
      "type" in detail ? `${detail.type} ${Buffer.from(detail.value).toString("base64")}` : detail.desc.typeName,
    ),
  };
}
