import Database from "better-sqlite3";

/** How long a statement waits for another connection's lock before it fails, in milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;
/** The write-ahead log is cut back to this size after a checkpoint, in bytes. */
const JOURNAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024;
/**
 * A checkpoint is tried whenever the write-ahead log holds this many pages (of 4 KiB): 64 MiB. A batch of records of many accounts touches some thousand pages,
 * and many of them again and again: the rarer the checkpoint, the more of those writes are one. To read that much log again after a crash takes a moment.
 */
const WAL_AUTOCHECKPOINT_PAGES = 16_000;
/** Page cache of one connection, in KiB. */
const CACHE_KIB = 64 * 1024;

/** SQLite's number for synchronous=FULL. */
const SYNCHRONOUS_FULL = 2n;

/** An open connection. Integers come out as bigint: a credit must never pass through a float. */
export type Connection = Database.Database;

/** A prepared statement. */
export type Statement = Database.Statement<unknown[], unknown>;

/**
 * Opens the one connection that writes. `synchronous=FULL` is set on every opening and read back, since better-sqlite3 is built so that
 * WAL silently means NORMAL (its docs/performance.md), under which an acknowledged commit can vanish when the power fails.
 */
export function openWriter(path: string): Connection {
  const db = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  db.defaultSafeIntegers(true);
  db.pragma("journal_mode = WAL");
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  db.pragma("secure_delete = ON");
  db.pragma("temp_store = MEMORY");
  db.pragma(`cache_size = -${CACHE_KIB}`);
  db.pragma(`journal_size_limit = ${JOURNAL_SIZE_LIMIT_BYTES}`);
  db.pragma(`wal_autocheckpoint = ${WAL_AUTOCHECKPOINT_PAGES}`);
  assertDurable(db);
  return db;
}

/** Opens a connection that only reads. It sees what the writer has committed. */
export function openReader(path: string): Connection {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  db.defaultSafeIntegers(true);
  db.pragma(`cache_size = -${CACHE_KIB}`);
  return db;
}

/**
 * Writes the write-ahead log back and cuts it to nothing, so that no overwritten page is left in it. False when a reader or the disk held it up.
 * Must not be called inside a transaction.
 */
export function truncateLog(db: Connection): boolean {
  try {
    const [result] = db.pragma("wal_checkpoint(TRUNCATE)") as [{ busy: bigint }];
    return result.busy === 0n;
  } catch {
    return false;
  }
}

/** Throws unless the connection's settings, read back, promise that a commit survives a power failure. */
export function assertDurable(db: Connection): void {
  const journal = db.pragma("journal_mode", { simple: true });
  const synchronous = db.pragma("synchronous", { simple: true });
  if (journal !== "wal")
    throw new Error(`database refuses journal_mode=WAL (it says ${String(journal)}); is it on a network disk?`);
  if (BigInt(synchronous as number | bigint) !== SYNCHRONOUS_FULL) {
    throw new Error(
      `database refuses synchronous=FULL (it reads back ${String(synchronous)}): acknowledged writes would not be durable`,
    );
  }
}
