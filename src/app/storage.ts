import { PloriError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config.ts";
import { createBallast, freeBytesAt, sizeOf } from "../store/sqlite/ballast.ts";
import { recoverRoom } from "../store/sqlite/recover-room.ts";
import type { Writer } from "../store/sqlite/writer.ts";
import type { Metrics } from "./metrics.ts";
import { sweepEvery } from "./sweep.ts";

/** How often the disk is looked at, in milliseconds. */
const LOOK_EVERY_MS = 5_000;
/** Less free room than this, and no room for the ballast, raise the alarm. */
const FREE_MIN_BYTES = 256 * 1024 * 1024;
/** What opening the database takes at most before its first write. */
const OPENING_BYTES = 1024 * 1024;
/**
 * A write-ahead log longer than this raises the alarm: it is written back and used again from the start at 64 MiB, unless somebody has been reading the same
 * moment's state ever since.
 */
const LOG_MAX_BYTES = 512 * 1024 * 1024;

/** What the storage is watched with. */
export interface WatchStorageOptions {
  readonly config: Pick<Config, "databasePath" | "ballastBytes">;
  readonly writer: Writer;
  readonly metrics: Pick<Metrics, "gauge">;
  readonly log: Log;
  /** Instead of the bounds above, for tests. */
  readonly lookEveryMs?: number;
  readonly logMaxBytes?: number;
}

/** Keeps the ballast, raises the alarms for little room and an overgrown log, and gets the service to write again after a full disk. Returns how to stop it. */
export function watchStorage(options: WatchStorageOptions): () => Promise<void> {
  const { config, writer, metrics, log, lookEveryMs = LOOK_EVERY_MS, logMaxBytes = LOG_MAX_BYTES } = options;
  const { databasePath: path } = config;
  const ballast = createBallast(`${path}.ballast`, config.ballastBytes);
  const recovery = recoverRoom({ writer, ballast, path, log });
  const seen = { freeBytes: 0, logBytes: 0, hasBallast: false };
  const room = alarm(log, "the disk has little free room", "the disk has enough free room again");
  const growth = alarm(
    log,
    "the write-ahead log has outgrown its bound: who has been reading for so long?",
    "the write-ahead log is within its bound again",
  );

  async function look(): Promise<void> {
    try {
      seen.hasBallast = !writer.isFull && (await ballast.make());
      seen.freeBytes = await freeBytesAt(path);
      seen.logBytes = await sizeOf(`${path}-wal`);
    } catch (error) {
      log.warn("the disk cannot be looked at", { err: error });
      return;
    }
    const lacksBallast = ballast.bytes > 0 && !seen.hasBallast;
    room.set(seen.freeBytes < FREE_MIN_BYTES || lacksBallast, seen);
    growth.set(seen.logBytes > logMaxBytes, seen);
  }
  const looking = sweepEvery({ everyMs: lookEveryMs, log, failure: "the disk was not looked at" }, look);

  metrics.gauge("plori_storage_free_bytes", "Free room on the database's disk.", () => seen.freeBytes);
  metrics.gauge(
    "plori_storage_low",
    "1 while the database's disk has little free room, or none for the ballast.",
    () => (room.isOn() ? 1 : 0),
  );
  metrics.gauge("plori_storage_full", "1 while writes are refused since the disk is full.", () =>
    writer.isFull ? 1 : 0,
  );
  metrics.gauge("plori_log_bytes", "Size of the database's write-ahead log.", () => seen.logBytes);
  metrics.gauge("plori_log_overgrown", "1 while the write-ahead log is longer than it should ever get.", () =>
    growth.isOn() ? 1 : 0,
  );
  return async () => {
    await looking.stop();
    await recovery.stop();
  };
}

/**
 * Gives up the ballast when there is not even room to open the database, which makes its log and its index beside it: whoever restarts a service on a full disk
 * wants it to read, at the least. Call it before opening.
 */
export async function makeRoomToOpen(
  { databasePath: path, ballastBytes }: WatchStorageOptions["config"],
  log: Log,
  freeBytes = freeBytesAt,
): Promise<void> {
  if ((await freeBytes(path)) >= OPENING_BYTES) return;
  if (await createBallast(`${path}.ballast`, ballastBytes).spend())
    log.error("the disk is full: the ballast was given up so that the database can be opened");
}

/** Lets a start go on although its record in the audit met a full disk: the service reads, and writes again once there is room. Throws anything else. */
export function bearFullDisk(error: unknown): void {
  if (!(error instanceof PloriError) || error.reason !== "STORAGE_FULL") throw error;
}

/** Something that is said when it begins and when it ends, and not in between. */
function alarm(log: Log, beginning: string, end: string) {
  let isOn = false;
  return {
    isOn: () => isOn,
    set(shouldBeOn: boolean, facts: Readonly<Record<string, unknown>>): void {
      if (shouldBeOn === isOn) return;
      isOn = shouldBeOn;
      if (isOn) log.warn(beginning, facts);
      else log.info(end, facts);
    },
  };
}
