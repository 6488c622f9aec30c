import { type FileHandle, open, readFile } from "node:fs/promises";

/** A signed note and the empty line that follows it in the file. */
const NOTE_IN_FILE = /[^\n]+\n\d+\n[^\n]+\n\n(?:\u2014 [^\n]+\n)+\n/g;
/** Where a note ends. */
const NOTE_END = /\u2014 [^\n]+\n\n/g;
/** Longer than any two notes: what is looked at when the file is opened. */
const TAIL_BYTES = 4_096;

/** Checkpoints outside the database. */
export interface CheckpointFile {
  /** Appends a note and makes it durable. */
  append(note: string): Promise<void>;
  close(): Promise<void>;
}

/** The notes in a checkpoint file, in order; none when there is no file. `isDamaged`: something in it is no note (its torn end apart). */
export async function readCheckpointFile(path: string): Promise<{ notes: readonly string[]; isDamaged: boolean }> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const notes: string[] = [];
  let end = 0;
  let isDamaged = false;
  for (const match of text.matchAll(NOTE_IN_FILE)) {
    isDamaged ||= match.index !== end;
    end = match.index + match[0].length;
    notes.push(match[0].slice(0, -1));
  }
  return { notes, isDamaged };
}

/** Opens the file for appending, making it if need be. A torn end, which a crash in the middle of a write leaves, is cut off: nobody was told of it. */
export async function openCheckpointFile(path: string): Promise<CheckpointFile> {
  const file = await open(path, "a+", 0o600);
  try {
    await cutTornEnd(file);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    async append(note) {
      await file.appendFile(`${note}\n`, "utf8");
      await file.datasync();
    },
    close: () => file.close(),
  };
}

async function cutTornEnd(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const start = Math.max(0, size - TAIL_BYTES);
  const tail = Buffer.alloc(size - start);
  await file.read(tail, 0, tail.length, start);
  // One character a byte, so that positions in the text are positions in the file; a dash of three bytes is then three characters.
  const text = tail.toString("latin1");
  const dash = Buffer.from("\u2014", "utf8").toString("latin1");
  let end = start === 0 ? 0 : undefined;
  for (const match of text.matchAll(new RegExp(NOTE_END.source.replace("\\u2014", dash), "g"))) {
    end = match.index + match[0].length;
  }
  if (end !== undefined && end < text.length) await file.truncate(start + end);
}
