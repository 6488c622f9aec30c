import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const CHUNK_BYTES = 8 * 1024 * 1024;

/** What lies before and behind a copy is looked at so far. */
const CONTEXT_BYTES = 1_024;

/** A copy, with what lies around it. */
export interface Copy {
  readonly around: Buffer;
  /** Where the copy begins in `around`. */
  readonly at: number;
}

/** The copies of `needle` in the writable memory of the process. Linux only; the process must be ours. */
export function findInMemory(pid: number, needle: Uint8Array): readonly Copy[] {
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const found: Copy[] = [];
  try {
    for (const { start, end } of writableMappings(pid)) {
      // Chunks overlap by what is needed to see a copy that lies across two of them.
      for (let at = start; at < end; at += CHUNK_BYTES - needle.length + 1) {
        const wanted = Math.min(CHUNK_BYTES, end - at);
        found.push(...copiesIn(chunk.subarray(0, readAt(memory, chunk, wanted, at)), needle));
        if (wanted < CHUNK_BYTES) break;
      }
    }
  } finally {
    closeSync(memory);
  }
  return found;
}

function writableMappings(pid: number): { readonly start: number; readonly end: number }[] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .flatMap((line) => {
      const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
      if (match?.[1] === undefined || match[2] === undefined) return [];
      return [{ start: Number.parseInt(match[1], 16), end: Number.parseInt(match[2], 16) }];
    });
}

/** A mapping may go away while it is read: what cannot be read holds nothing. */
function readAt(memory: number, chunk: Buffer, bytes: number, position: number): number {
  try {
    return readSync(memory, chunk, 0, bytes, position);
  } catch {
    return 0;
  }
}

function copiesIn(bytes: Buffer, needle: Uint8Array): Copy[] {
  const copies: Copy[] = [];
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
    const start = Math.max(0, at - CONTEXT_BYTES);
    copies.push({ around: Buffer.from(bytes.subarray(start, at + CONTEXT_BYTES)), at: at - start });
  }
  return copies;
}
