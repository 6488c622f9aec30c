import Database from "better-sqlite3";
import type { Connection } from "./open-database.ts";

/**
 * Whether a commit gets through: one page is written, durably, that changes nothing. False on a full disk; throws what else the disk says, as a batch would.
 * Must not be called inside a transaction.
 */
export function hasRoom(db: Connection): boolean {
  try {
    // A number in the file's head that SQLite leaves to the application, and that this one does not use.
    db.pragma("user_version = 0");
    return true;
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === "SQLITE_FULL") return false;
    throw error;
  }
}
