import Database from "better-sqlite3";
import { PloriError } from "../../base/errors.ts";
import { EXECUTORS } from "./executors.ts";
import type { Batch, CommandResult } from "./protocol.ts";
import { STORAGE_FULL } from "./storage-full.ts";
import type { WriteTransaction } from "./write-transaction.ts";

type Command = Batch["commands"][number];

/** A command broke after its first write, or in a way that nobody foresaw: its batch must be undone. */
class BrokenCommand extends Error {
  override readonly name = "BrokenCommand";
}

/**
 * Runs the commands in order in one durable transaction and returns what became of each. A refusal concerns its command alone. When a command breaks,
 * everything is undone and each command runs again in a transaction of its own, so that a bad one never takes its neighbours with it.
 * Throws only when the database can no longer be trusted.
 */
export function runBatch(tx: WriteTransaction, batch: Batch): readonly CommandResult[] {
  tx.begin(batch.nowMs);
  try {
    return runTogether(tx, batch.commands);
  } catch (error) {
    if (!(error instanceof BrokenCommand)) return batch.commands.map(() => resultOfBroken(error));
    // A full disk is no command's fault: to try each by itself would only meet it as often again. And after an I/O error nothing is tried again.
    if (batch.commands.length === 1 || isFull(error.cause) || isLost(error.cause))
      return batch.commands.map(() => resultOfBroken(error.cause));
  }
  return batch.commands.map((command) => {
    try {
      return runTogether(tx, [command])[0] as CommandResult;
    } catch (error) {
      return resultOfBroken(error instanceof BrokenCommand ? error.cause : error);
    }
  });
}

function runTogether(tx: WriteTransaction, commands: readonly Command[]): CommandResult[] {
  tx.db.exec("BEGIN IMMEDIATE");
  try {
    const results = commands.map((command) => runOne(tx, command));
    tx.flush();
    tx.db.exec("COMMIT");
    tx.committed();
    return results;
  } catch (error) {
    if (tx.db.inTransaction) tx.db.exec("ROLLBACK");
    tx.rolledBack();
    throw error;
  }
}

function runOne(tx: WriteTransaction, [name, input]: Command): CommandResult {
  tx.dirty = false;
  try {
    // The input was typed by the sender's `submit`; the thread border cannot carry the type.
    const answer = (EXECUTORS[name] as (tx: WriteTransaction, input: unknown) => unknown)(tx, input);
    return { ok: true, answer };
  } catch (error) {
    if (error instanceof PloriError && !tx.dirty) return { ok: false, refusal: error.refusal };
    throw new BrokenCommand(`command ${name} broke`, { cause: error });
  }
}

/** A full disk is the operator's to mend and is told as such; an I/O error or a corrupt file ends the process; the rest is a fault of ours. */
function resultOfBroken(error: unknown): CommandResult {
  if (isFull(error)) return { ok: false, refusal: STORAGE_FULL };
  if (isLost(error)) throw error;
  return { ok: false, failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function isFull(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code === "SQLITE_FULL";
}

/** Whether the database can no longer be trusted. The codes have extended forms, such as SQLITE_IOERR_FSYNC. */
function isLost(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(?:IOERR|CORRUPT|NOTADB)/.test(error.code);
}
