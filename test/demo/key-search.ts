import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Long enough that twelve equal characters are no coincidence, short enough that a good part of a key does not slip through. */
const FRAGMENT_CHARS = 12;
/** Base64 of a text depends on where it begins, in steps of 3 bytes. */
const BASE64_SHIFTS = [0, 1, 2] as const;

/** Everything that a key could show as: its pieces as they are and in hexadecimal, and the whole in base64. */
export function tracesOf(keys: Iterable<string>): Buffer[] {
  const traces: Buffer[] = [];
  for (const key of keys) {
    for (let at = 0; at + FRAGMENT_CHARS <= key.length; at += FRAGMENT_CHARS) {
      const fragment = key.slice(at, at + FRAGMENT_CHARS);
      traces.push(Buffer.from(fragment), Buffer.from(Buffer.from(fragment).toString("hex")));
    }
    for (const shift of BASE64_SHIFTS) {
      // Whole groups only: what stands before and after the key changes the rest.
      const groups = Buffer.from(key.slice(shift, key.length - ((key.length - shift) % 3))).toString("base64");
      traces.push(Buffer.from(groups), Buffer.from(groups.replaceAll("+", "-").replaceAll("/", "_")));
    }
  }
  return traces;
}

/** Whether any of the traces stands in the text or the bytes. */
export function holdsTrace(content: string | Buffer, traces: readonly Buffer[]): boolean {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  return traces.some((trace) => bytes.includes(trace));
}

/** What a search of a directory came to. */
export interface DirectorySearch {
  readonly files: number;
  readonly bytes: number;
  /** Names of files that hold a trace. */
  readonly found: readonly string[];
}

/** Searches every file below a directory. */
export function searchDirectory(directory: string, traces: readonly Buffer[]): DirectorySearch {
  const found: string[] = [];
  let files = 0;
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const content = readFileSync(join(entry.parentPath, entry.name));
    files += 1;
    bytes += content.length;
    if (holdsTrace(content, traces)) found.push(entry.name);
  }
  return { files, bytes, found };
}
