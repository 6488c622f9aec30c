import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../../base/errors.ts";
import { hasRoom } from "./has-room.ts";
import { migrate } from "./migrate.ts";
import { openWriter, truncateLog } from "./open-database.ts";
import type { Batch, WorkerMessage, WorkerOptions, WorkerOrder } from "./protocol.ts";
import { runBatch } from "./run-batch.ts";
import { WriteTransaction } from "./write-transaction.ts";

/**
 * The writing thread: it alone holds the connection that writes, so that waiting for the disk never holds up the doors. A message is a batch, a batch is
 * a transaction, and the answer is sent after the commit.
 */
function main(): void {
  const port = parentPort;
  invariant(port !== null, "the writing thread was not started as a thread");
  // A diagnostic report has a part for each thread, and each would hold the whole process's environment.
  process.report.excludeEnv = true;
  const options = workerData as WorkerOptions;
  const db = openWriter(options.path);
  migrate(db, options.nowMs);
  // A process that died right after it destroyed something may have left the bytes in the log.
  truncateLog(db);
  const tx = new WriteTransaction(db, options.creditsLowNano);
  const send = (message: WorkerMessage): void => port.postMessage(message);
  port.on("message", (message: Batch | WorkerOrder) => {
    if (message === "close") {
      db.close();
      port.close();
      return;
    }
    if (message === "truncate-log") {
      send({ kind: "truncated", isWhole: truncateLog(db) });
      return;
    }
    try {
      if (message === "probe") {
        send({ kind: "probed", hasRoom: hasRoom(db) });
        return;
      }
      const results = runBatch(tx, message);
      const news = tx.news.take();
      send(news === undefined ? { kind: "done", results } : { kind: "done", results, news });
    } catch (error) {
      // The disk lied or the file is corrupt: whether the last commit holds is unknown, so nothing more is acknowledged.
      send({ kind: "fatal", message: error instanceof Error ? error.message : String(error) });
      port.close();
    }
  });
  send({ kind: "ready" });
}

main();
