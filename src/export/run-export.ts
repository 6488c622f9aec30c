import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ExportManifest } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import { callExport } from "./call-export.ts";
import { chargeCells } from "./charge-columns.ts";
import { csvLine } from "./csv.ts";
import { type CsvFile, type LastCharge, openCsvFile } from "./csv-file.ts";
import type { ExportOrder } from "./read-arguments.ts";
import { Received } from "./received.ts";

/** What became of an export, for people. */
export interface ExportOutcome {
  readonly kind: "done" | "failed";
  readonly message: string;
}

/**
 * Writes what is asked for behind what the file holds already, and holds it against the service's manifest. What differs from it is taken back; what came
 * before a broken connection stays, and the next run goes on behind it. Throws when the file or the certificates cannot be used.
 */
export async function runExport(order: ExportOrder): Promise<ExportOutcome> {
  const file = await openCsvFile(order.out);
  try {
    const { last } = file;
    const misfit = last === undefined ? undefined : findMisfit(order, last);
    if (misfit !== undefined) return { kind: "failed", message: `${order.out} holds another export: ${misfit}` };
    return await receive(order, file, last);
  } finally {
    await file.close();
  }
}

/** Why a file that ends with this charge cannot be continued by this order; undefined: it can. */
function findMisfit({ account, fromMs, toMs }: ExportOrder, last: LastCharge): string | undefined {
  if (account !== undefined && last.account !== account) return `it ends with a charge of account ${last.account}`;
  const isInside = (fromMs === undefined || last.recordMs >= fromMs) && (toMs === undefined || last.recordMs < toMs);
  return isInside ? undefined : "it ends with a charge that was recorded at another time";
}

async function receive(order: ExportOrder, file: CsvFile, last: LastCharge | undefined): Promise<ExportOutcome> {
  const { account = "", fromMs, toMs } = order;
  const afterSequence = last?.sequence ?? 0n;
  const received = new Received(last?.account ?? account, afterSequence);
  let manifest: ExportManifest | undefined;
  const answers = callExport(order, {
    account,
    afterAccount: account === "" ? (last?.account ?? "") : "",
    afterSequence,
    ...(fromMs === undefined ? {} : { startTime: timestampFromMs(fromMs) }),
    ...(toMs === undefined ? {} : { endTime: timestampFromMs(toMs) }),
  });
  try {
    for await (const answer of answers) {
      let lines = "";
      for (const charge of answer.charges) {
        received.add(charge);
        lines += csvLine(chargeCells(charge));
      }
      if (lines !== "") await file.append(lines);
      manifest = answer.manifest;
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { kind: "failed", message: `${why} ${received.charges} charges were written; run it again to go on.` };
  }
  if (manifest === undefined) {
    const message = `the stream ended without a manifest. ${received.charges} charges were written; run it again to go on.`;
    return { kind: "failed", message };
  }
  const differences = received.differences(manifest);
  if (differences.length > 0) {
    await file.undo();
    return { kind: "failed", message: `nothing was written, since not all is as sent. ${differences.join("; ")}` };
  }
  return {
    kind: "done",
    message: `${received.describe()} written to ${order.out}, as sent (SHA-256 ${manifest.sha256})`,
  };
}
