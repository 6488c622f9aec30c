import { type FileHandle, open } from "node:fs/promises";
import { HEADER } from "./charge-columns.ts";
import { csvLine, fromTextCell, LINE_END, readCsvLine } from "./csv.ts";

/** Longer lines are not ours: sixteen labels of the largest size fit several times. */
const LINE_MAX_BYTES = 65_536;

/** The last charge of a file. */
export interface LastCharge {
  readonly account: string;
  readonly sequence: bigint;
  readonly recordMs: number;
}

/** A file of charges that is written to its end. */
export interface CsvFile {
  /** What stood in it when it was opened; undefined: no charge. */
  readonly last: LastCharge | undefined;
  append(lines: string): Promise<void>;
  /** Takes back everything that was appended. */
  undo(): Promise<void>;
  /** Makes it durable and closes it. */
  close(): Promise<void>;
}

/**
 * Opens a file of charges, or makes it. A last line that was cut off is taken away. Throws when the file holds something else, which is then left as it is.
 */
export async function openCsvFile(path: string): Promise<CsvFile> {
  const file = await open(path, "a+", 0o600);
  try {
    const header = csvLine(HEADER);
    const { size } = await file.stat();
    const head = await read(file, 0, Math.min(size, header.length));
    if (!header.startsWith(head)) throw new Error(`${path} is there and is no export of charges of this version`);
    let begin: number;
    let last: LastCharge | undefined;
    if (head.length < header.length) {
      await file.truncate(0);
      await file.appendFile(header);
      begin = header.length;
    } else {
      const tail = await readTail(file, size, header.length);
      begin = tail.endBytes;
      last = tail.line === undefined ? undefined : readLast(path, tail.line);
      await file.truncate(begin);
    }
    return {
      last,
      append: (lines) => file.appendFile(lines),
      undo: () => file.truncate(begin),
      async close() {
        await file.sync();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function read(file: FileHandle, from: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
  return buffer.toString("utf8", 0, bytesRead);
}

/** The last whole line after the header, if there is one, and where it ends. */
async function readTail(
  file: FileHandle,
  size: number,
  headerBytes: number,
): Promise<{ readonly endBytes: number; readonly line: string | undefined }> {
  const from = Math.max(headerBytes - LINE_END.length, size - 2 * LINE_MAX_BYTES);
  const { buffer } = await file.read(Buffer.alloc(size - from), 0, size - from, from);
  const end = buffer.lastIndexOf(LINE_END);
  if (end < 0) throw new Error("the file ends in a line that is too long to be a charge");
  const before = end === 0 ? -1 : buffer.lastIndexOf(LINE_END, end - 1);
  const endBytes = from + end + LINE_END.length;
  // Nothing but the header's own end.
  if (before < 0 && endBytes === headerBytes) return { endBytes, line: undefined };
  if (before < 0) throw new Error("the file ends in a line that is too long to be a charge");
  return { endBytes, line: buffer.toString("utf8", before + LINE_END.length, end) };
}

function readLast(path: string, line: string): LastCharge {
  const cells = readCsvLine(line);
  const [account = "", sequence = "", recordTime = ""] = cells ?? [];
  const recordMs = Date.parse(recordTime);
  if (cells?.length !== HEADER.length || !/^[1-9]\d{0,15}$/.test(sequence) || Number.isNaN(recordMs))
    throw new Error(`the last line of ${path} is no charge`);
  return { account: fromTextCell(account), sequence: BigInt(sequence), recordMs };
}
