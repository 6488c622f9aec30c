import { type ClientHttp2Session, connect } from "node:http2";
import { fromBinary } from "@bufbuild/protobuf";
import { type Status, StatusSchema } from "../../src/gen/google/rpc/status_pb.ts";
import type { Pem } from "./pki.ts";

/** What a unary gRPC call came to, as it stood on the wire. */
export interface RawAnswer {
  readonly code: number;
  /** As sent, percent-encoded. */
  readonly message: string;
  /** The details trailer as sent, base64. Empty: there was none. */
  readonly detailsBase64: string;
  readonly status: Status | undefined;
  readonly body: Buffer;
}

/** A connection of a plain HTTP/2 client over mutual TLS. */
export function openSession(port: number, ca: string, client?: Pem): ClientHttp2Session {
  const session = connect(`https://localhost:${port}`, { ca, cert: client?.cert, key: client?.key });
  // The calls tell; without a listener an error would end the process.
  session.on("error", () => {});
  session.setMaxListeners(0);
  return session;
}

/** Sends one message by the gRPC protocol and collects everything that comes back. Rejects when the connection or the stream breaks. */
export function callRaw(
  session: ClientHttp2Session,
  rpc: string,
  message: Uint8Array = Buffer.alloc(0),
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": `/${rpc}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...headers,
    });
    let told: Record<string, unknown> = {};
    const chunks: Buffer[] = [];
    session.once("error", reject);
    session.once("close", () => reject(new Error("connection closed")));
    stream.on("response", (received) => {
      told = { ...told, ...received };
    });
    stream.on("trailers", (received) => {
      told = { ...told, ...received };
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("close", () => {
      const text = (name: string) => String(told[name] ?? "");
      if (text("grpc-status") === "") reject(new Error(`no status; HTTP ${text(":status")}`));
      const detailsBase64 = text("grpc-status-details-bin");
      resolve({
        code: Number(text("grpc-status")),
        message: text("grpc-message"),
        detailsBase64: detailsBase64.replace(/=+$/, ""),
        status: detailsBase64 === "" ? undefined : fromBinary(StatusSchema, Buffer.from(detailsBase64, "base64")),
        body: Buffer.concat(chunks),
      });
    });
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    stream.end(frame);
  });
}

/** One call on a connection of its own. */
export async function callOnce(
  port: number,
  ca: string,
  client: Pem | undefined,
  rpc: string,
  message?: Uint8Array,
): Promise<RawAnswer> {
  const session = openSession(port, ca, client);
  try {
    return await callRaw(session, rpc, message);
  } finally {
    session.destroy();
  }
}

/** The reason in a status's ErrorInfo, found by its text: the test does not share the code under test. */
export function reasonOf(answer: RawAnswer): string {
  const info = answer.status?.details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return /[A-Z][A-Z_]+/.exec(Buffer.from(info?.value ?? []).toString("latin1"))?.[0] ?? "";
}
