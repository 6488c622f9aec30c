import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary, toJson } from "@bufbuild/protobuf";
import { UsageRecordSchema } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import type { HostError } from "../host-error.ts";
import { syncDirectory } from "./segment.ts";
import { deadLetterName } from "./segment-names.ts";

const OWN_ONLY = 0o600;
/** What nobody looked at until then stops delivery, so that nothing is dropped. */
const FILE_MAX_BYTES = 64 * 1024 * 1024;

/** A record that the service refused for good, and why. */
export interface DeadLetter {
  readonly payload: Uint8Array;
  readonly error: HostError;
}

/** Where refused records are kept for people to look at. */
export interface DeadLetters {
  /** Resolves when the records are on the disk. Rejects when they cannot be kept. */
  keep(letters: readonly DeadLetter[], nowMs: number): Promise<void>;
}

/** One JSON line for each record, in a file of the writer's own in `directory`. Nobody but people removes it. */
export function openDeadLetters(directory: string, writer: string): DeadLetters {
  const path = join(directory, deadLetterName(writer));
  return {
    async keep(letters, nowMs) {
      const isNew = (await sizeOf(path)) === 0;
      const text = letters.map((letter) => `${lineOf(letter, nowMs)}\n`).join("");
      const file = await open(path, constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY, OWN_ONLY);
      try {
        if ((await file.stat()).size > FILE_MAX_BYTES) throw new Error(`${path} is full of records that were refused`);
        await file.appendFile(text);
        await file.datasync();
      } finally {
        await file.close();
      }
      if (isNew) await syncDirectory(directory);
    },
  };
}

function lineOf({ payload, error }: DeadLetter, nowMs: number): string {
  const { code, reason, message, violations } = error;
  const record = toJson(UsageRecordSchema, fromBinary(UsageRecordSchema, payload));
  return JSON.stringify({ refused: new Date(nowMs).toISOString(), code, reason, message, violations, record });
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
