import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../../base/log.ts";
import { type Ballast, freeBytesAt } from "./ballast.ts";
import type { Writer } from "./writer.ts";

const FIRST_WAIT_MS = 250;
const LAST_WAIT_MS = 5_000;
/** Less free room than this, in bytes, is not worth a try: the next batch would meet the full disk again. */
const ROOM_MIN_BYTES = 1024 * 1024;

/** What recovering needs. `wait` is replaced in tests. */
export interface RecoverRoomDeps {
  readonly writer: Pick<Writer, "isFull" | "onFull" | "truncateLog" | "probe">;
  readonly ballast: Ballast;
  readonly path: string;
  readonly log: Log;
  readonly freeBytes?: (path: string) => Promise<number>;
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** Waits for full disks. */
export interface RoomRecovery {
  /** Gives up what is under way. */
  stop(): Promise<void>;
}

/**
 * Gets the service to write again after its disk was full, without anybody telling it that there is room: it gives up the ballast, so that the log can be written
 * back and cut, and then tries with ever longer waits, at most five seconds. A try is one look at the free room and one small write. A spent ballast must fit in
 * again before anything is written: what it freed is for the log, not for the next hour's records.
 */
export function recoverRoom(deps: RecoverRoomDeps): RoomRecovery {
  const { writer, ballast, path, log, freeBytes = freeBytesAt, wait = waitFor } = deps;
  const abort = new AbortController();
  let running: Promise<void> | undefined;
  let spent = false;

  async function recover(): Promise<void> {
    let isLogCut = false;
    let isBallastLooked = false;
    for (let waitMs = FIRST_WAIT_MS; !abort.signal.aborted; waitMs = Math.min(waitMs * 2, LAST_WAIT_MS)) {
      try {
        if (!isBallastLooked) spent = (await ballast.spend()) || spent;
        isBallastLooked = true;
        if (!isLogCut) isLogCut = await writer.truncateLog();
        const free = await freeBytes(path);
        if (free >= (spent ? ballast.makingBytes : ROOM_MIN_BYTES) && (await writer.probe())) {
          log.info("there is room again: everything is written as before", { freeBytes: free });
          return;
        }
      } catch (error) {
        log.warn("whether there is room again cannot be told", { err: error });
      }
      await wait(waitMs, abort.signal).catch(() => {});
    }
  }

  async function run(): Promise<void> {
    while (writer.isFull && !abort.signal.aborted) {
      log.error("the disk is full: nothing is written until there is room");
      await recover();
      try {
        if (!abort.signal.aborted && (await ballast.make())) spent = false;
      } catch (error) {
        log.warn("the ballast cannot be made", { err: error });
      }
    }
  }

  writer.onFull(() => {
    running ??= run().finally(() => {
      running = undefined;
    });
  });
  return {
    async stop() {
      abort.abort();
      await running;
    },
  };
}

function waitFor(ms: number, signal: AbortSignal): Promise<unknown> {
  return sleep(ms, undefined, { signal, ref: false });
}
