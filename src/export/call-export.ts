import { readFile } from "node:fs/promises";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import {
  ExportChargesRequestSchema,
  type ExportChargesResponse,
  ExportChargesResponseSchema,
} from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import type { ExportOrder } from "./read-arguments.ts";

const METHOD = "/plori.ledger.v1.LedgerService/ExportCharges";

/** The answers of ExportCharges on the gRPC door, as fast as they are taken. Throws with what the service said. */
export async function* callExport(
  { address, caFile, certFile, keyFile }: Pick<ExportOrder, "address" | "caFile" | "certFile" | "keyFile">,
  request: MessageInitShape<typeof ExportChargesRequestSchema>,
): AsyncGenerator<ExportChargesResponse, void> {
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readFile(file)));
  const client = new Client(address, credentials.createSsl(ca ?? null, key ?? null, cert ?? null));
  try {
    const call = client.makeServerStreamRequest(
      METHOD,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => fromBinary(ExportChargesResponseSchema, bytes),
      Buffer.from(toBinary(ExportChargesRequestSchema, create(ExportChargesRequestSchema, request))),
    );
    try {
      for await (const message of call) yield message as ExportChargesResponse;
    } catch (error) {
      throw new Error(`the service at ${address} answered: ${(error as ServiceError).details ?? String(error)}`);
    } finally {
      call.cancel();
    }
  } finally {
    client.close();
  }
}
