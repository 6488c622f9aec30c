import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";

/** How the service refused a call, as its caller sees it. */
export interface RefusedCall {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Awaits a call that must be refused with an ErrorInfo of ours. */
export async function refusedCall(call: Promise<unknown>): Promise<RefusedCall> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error === undefined) throw new Error("the call was answered");
  if (!(error instanceof ConnectError)) throw error;
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "plori.internal");
  if (info === undefined) throw error;
  return { code: error.code, reason: info.reason, message: error.rawMessage, metadata: info.metadata };
}
