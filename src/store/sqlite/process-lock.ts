import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import Database from "better-sqlite3";

/** A held lock. */
export interface ProcessLock {
  release(): void;
}

/**
 * Makes this process the only one that opens the database at `path`. The lock is SQLite's own exclusive lock on a small file beside it, so the
 * kernel gives it up when the process ends, however it ends. Throws, naming the holder, when another process has it.
 */
export function lockDatabase(path: string): ProcessLock {
  const lockPath = `${path}.lock`;
  const holderPath = `${path}.holder`;
  const lock = new Database(lockPath, { timeout: 0 });
  try {
    lock.pragma("locking_mode = EXCLUSIVE");
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (!(error instanceof Database.SqliteError) || !/^SQLITE_(?:BUSY|LOCKED)/.test(error.code)) {
      // A full or failing disk is not another process, and whoever looks for one looks in vain.
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the database ${path} cannot be locked: ${why}`, { cause: error });
    }
    throw new Error(
      `the database ${path} is in use by ${readHolder(holderPath)}: only one process may open a SQLite database of this service. Stop that process, or give this one its own PLORI_DATA_DIR.`,
      { cause: error },
    );
  }
  try {
    writeFileSync(holderPath, `process ${process.pid} on ${hostname()}`);
  } catch {
    // A name for others to read; the lock holds without it, also on a full disk.
  }
  return {
    release() {
      rmSync(holderPath, { force: true });
      lock.close();
    },
  };
}

function readHolder(holderPath: string): string {
  try {
    return readFileSync(holderPath, "utf8");
  } catch {
    return "another process";
  }
}
