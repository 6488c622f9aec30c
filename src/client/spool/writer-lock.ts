import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, rename, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { HostError } from "../host-error.ts";

/** The kernel's bound on the path of a Unix socket: 104 bytes with the final zero on macOS, 108 on Linux. */
const SOCKET_PATH_MAX_BYTES = 103;
const WRITER_BYTES = 6;
const LOCK_SUFFIX = ".lock";
/** Under this name a lock is made, so that one that stands under its own name always answers while its owner lives. */
const UNFINISHED_SUFFIX = ".lock-new";

/** Which writer's files these are, for as long as this process lives. */
export interface WriterLock {
  /** Twelve hexadecimal digits: the beginning of the names of the writer's files. */
  readonly writer: string;
  release(): Promise<void>;
}

/**
 * Makes a writer of its own for this process. The lock is a Unix socket beside the files that this process listens on: the kernel stops answering for it when
 * the process ends, however it ends, and answers for a process that is busy or stopped. Throws INVALID_ARGUMENT when the directory's path is too long.
 */
export async function lockWriter(directory: string): Promise<WriterLock> {
  const writer = randomBytes(WRITER_BYTES).toString("hex");
  const unfinished = join(directory, writer + UNFINISHED_SUFFIX);
  const path = join(directory, writer + LOCK_SUFFIX);
  if (Buffer.byteLength(unfinished) > SOCKET_PATH_MAX_BYTES) {
    throw new HostError({
      code: "INVALID_ARGUMENT",
      reason: "FIELDS_INVALID",
      message: `The path of spoolDirectory is too long: at most ${SOCKET_PATH_MAX_BYTES - writer.length - UNFINISHED_SUFFIX.length - 1} bytes.`,
    });
  }
  const server = createServer((socket) => socket.destroy());
  // `exclusive`: in a cluster the socket would otherwise be the primary's, and live as long as that.
  server.listen({ path: unfinished, exclusive: true });
  await once(server, "listening");
  server.unref();
  await rename(unfinished, path);
  return {
    writer,
    async release() {
      await rm(path, { force: true });
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Whether the writer's process lives. Only a clear answer of the kernel counts as a no. */
export async function isWriterAlive(directory: string, writer: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path: join(directory, writer + LOCK_SUFFIX) });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

/** Removes the locks of writers that are dead. */
export async function removeDeadLocks(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.endsWith(LOCK_SUFFIX)) continue;
    const writer = name.slice(0, -LOCK_SUFFIX.length);
    if (!(await isWriterAlive(directory, writer))) await rm(join(directory, name), { force: true });
  }
}
