import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../base/clock.ts";
import { PloriError, refuse } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { CommandAnswer, CommandInput, CommandName } from "./executors.ts";
import type { News, NewsFeed } from "./news.ts";
import type { Batch, CommandResult, WorkerMessage, WorkerOptions, WorkerOrder } from "./protocol.ts";
import { STORAGE_FULL } from "./storage-full.ts";

/** Most commands in one transaction: larger ones only add latency. */
const BATCH_MAX = 500;
/** Records of usage in one transaction, beyond which no further command joins it: it must not take seconds. */
const BATCH_RECORDS_MAX = 5_000;
/** Batches on their way at once: while one is being made durable, the next stands ready behind it. */
const BATCHES_IN_FLIGHT_MAX = 2;
/** So many waiting commands are sent without waiting for the end of the turn: the thread works while this one reads on. */
const EAGER_BATCH = 16;
/** Commands that may wait. Beyond it callers are told to come back rather than kept. */
const QUEUE_MAX = 20_000;
/** Records of usage that may wait in those commands, which take up to 500 each: some hundred MiB, and some seconds of writing. */
const QUEUE_RECORDS_MAX = 100_000;

// Node strips the types of a thread's TypeScript with a WebAssembly module that all threads share, and V8 (of Node 24.21) can crash when it compiles a faster
// import wrapper of it in one thread while another uses it. With this budget of calls no wrapper ever gets that far.
setFlagsFromString("--wasm-wrapper-tiering-budget=1000000000");

interface Waiting {
  readonly command: Batch["commands"][number];
  /** Records of usage in it. */
  readonly records: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends commands to the writing thread, many to a transaction. */
export interface Writer {
  /** Runs a command durably: resolves after the commit. Rejects with the command's refusal, or OVERLOADED, DRAINING, STORAGE_FULL, INTERNAL. */
  submit<N extends CommandName>(name: N, input: CommandInput<N>): Promise<CommandAnswer<N>>;
  /** Has `listener` told of everything committed for a feed, before the command's own answer. It must not throw. */
  onNews(feed: NewsFeed, listener: (news: News) => void): void;
  /** Has the write-ahead log written back and cut to nothing, after everything that is on its way. False when a reader held it up, or while closing. */
  truncateLog(): Promise<boolean>;
  /** True from the moment when a commit met a full disk until a probe found room. Meanwhile commands are refused with STORAGE_FULL at once. */
  readonly isFull: boolean;
  /** Has `listener` called whenever `isFull` becomes true. */
  onFull(listener: () => void): void;
  /** Tries one small durable write, and takes commands again when it succeeds. False on a full disk, and while closing. */
  probe(): Promise<boolean>;
  /** Commands that wait or run. */
  readonly depth: number;
  /** Rejects, once, when nothing more can be acknowledged: the disk lied or the thread died. The process should end. */
  readonly broken: Promise<never>;
  /** Lets everything submitted finish, then ends the thread. Later submissions get DRAINING. */
  close(): Promise<void>;
}

/**
 * Starts the writing thread and resolves when its schema is up to date. Group commit without a linger timer: what is queued when the thread can take more
 * becomes one transaction, so one caller waits for one commit only and a thousand share theirs.
 */
export async function startWriter(path: string, clock: Clock, log: Log, creditsLowNano = 0n): Promise<Writer> {
  const options: WorkerOptions = { path, nowMs: clock.nowMs(), creditsLowNano };
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: options, env: {}, execArgv: [] });
  const queue: Waiting[] = [];
  let queuedRecords = 0;
  const truncating: ((isWhole: boolean) => void)[] = [];
  const probing: ((hasRoom: boolean) => void)[] = [];
  const fullListeners: (() => void)[] = [];
  let isFull = false;
  const inFlight: Waiting[][] = [];
  const newsListeners = new Map<NewsFeed, (news: News) => void>();
  let closing = false;
  let dispatchScheduled = false;
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  let idle: (() => void) | undefined;

  const [first] = (await Promise.race([
    once(worker, "message"),
    once(worker, "error").then(([error]) => Promise.reject(error)),
  ])) as [WorkerMessage];
  if (first.kind !== "ready") throw new Error("the writing thread did not start");

  function dispatch(): void {
    dispatchScheduled = false;
    while (queue.length > 0 && inFlight.length < BATCHES_IN_FLIGHT_MAX) {
      const taken = takeBatch();
      inFlight.push(taken);
      const batch: Batch = { nowMs: clock.nowMs(), commands: taken.map((waiting) => waiting.command) };
      worker.postMessage(batch);
    }
  }

  function takeBatch(): Waiting[] {
    let count = 0;
    let records = 0;
    for (const most = Math.min(queue.length, BATCH_MAX); count < most && records < BATCH_RECORDS_MAX; count += 1)
      records += queue[count]?.records ?? 0;
    queuedRecords -= records;
    return queue.splice(0, count);
  }

  function settle(results: readonly CommandResult[]): void {
    const batch = inFlight.shift() ?? [];
    dispatch();
    batch.forEach((waiting, index) => {
      const result = results[index];
      if (result?.ok === true) waiting.resolve(result.answer);
      else if (result !== undefined && "refusal" in result) {
        waiting.reject(new PloriError(result.refusal));
        if (result.refusal.reason === "STORAGE_FULL") standStill();
      } else waiting.reject(new Error(`the writing thread failed: ${result?.failed ?? "no result"}`));
    });
    if (inFlight.length === 0 && queue.length === 0) idle?.();
  }

  /** The disk is full: what waits is refused rather than tried, until a probe finds room. */
  function standStill(): void {
    if (isFull) return;
    isFull = true;
    for (const waiting of queue.splice(0)) waiting.reject(new PloriError(STORAGE_FULL));
    queuedRecords = 0;
    for (const listener of fullListeners) listener();
  }

  function fail(message: string): void {
    const error = new Error(`storage failed, nothing more is acknowledged: ${message}`);
    log.error("storage failed", { reason: message });
    closing = true;
    for (const waiting of [...inFlight.flat(), ...queue]) waiting.reject(error);
    inFlight.length = queue.length = 0;
    for (const resolve of [...truncating.splice(0), ...probing.splice(0)]) resolve(false);
    broken.reject(error);
    idle?.();
  }

  worker.on("message", (message: WorkerMessage) => {
    if (message.kind === "done") {
      // First: whoever has a command's answer may rely on the news having been told.
      for (const news of message.news ?? []) newsListeners.get(news.feed)?.(news);
      settle(message.results);
    } else if (message.kind === "truncated") truncating.shift()?.(message.isWhole);
    else if (message.kind === "probed") {
      if (message.hasRoom) isFull = false;
      probing.shift()?.(message.hasRoom);
    } else if (message.kind === "fatal") fail(message.message);
  });
  worker.on("error", (error) => fail(error instanceof Error ? error.message : String(error)));
  // From the start: a thread that ended by itself, since the disk failed, says so but once.
  const ended = new Promise<void>((resolve) => {
    worker.on("exit", () => {
      if (inFlight.length > 0) fail("the writing thread ended");
      resolve();
    });
  });

  return {
    submit<N extends CommandName>(name: N, input: CommandInput<N>): Promise<CommandAnswer<N>> {
      if (closing) return Promise.reject(refuse("DRAINING", "The service is shutting down; call again."));
      if (isFull) return Promise.reject(new PloriError(STORAGE_FULL));
      if (queue.length >= QUEUE_MAX || queuedRecords >= QUEUE_RECORDS_MAX)
        return Promise.reject(refuse("OVERLOADED", "Too many writes are waiting; nothing was done."));
      const records = name === "recordUsage" ? (input as CommandInput<"recordUsage">).records.length : 0;
      queuedRecords += records;
      return new Promise<CommandAnswer<N>>((resolve, reject) => {
        queue.push({ command: [name, input], records, resolve: resolve as (answer: unknown) => void, reject });
        if (inFlight.length >= BATCHES_IN_FLIGHT_MAX) return;
        // Waiting for the end of this turn of the event loop lets every call that arrived in it share the transaction.
        if (queue.length >= EAGER_BATCH) dispatch();
        else if (!dispatchScheduled) {
          dispatchScheduled = true;
          setImmediate(dispatch);
        }
      });
    },
    onNews(feed, listener) {
      newsListeners.set(feed, listener);
    },
    truncateLog() {
      if (closing) return Promise.resolve(false);
      return new Promise<boolean>((resolve) => {
        truncating.push(resolve);
        worker.postMessage("truncate-log" satisfies WorkerOrder);
      });
    },
    get isFull() {
      return isFull;
    },
    onFull: (listener) => void fullListeners.push(listener),
    probe() {
      if (closing) return Promise.resolve(false);
      return new Promise<boolean>((resolve) => {
        probing.push(resolve);
        worker.postMessage("probe" satisfies WorkerOrder);
      });
    },
    get depth() {
      return queue.length + inFlight.reduce((sum, batch) => sum + batch.length, 0);
    },
    broken: broken.promise,
    async close() {
      closing = true;
      if (inFlight.length > 0 || queue.length > 0) await new Promise<void>((resolve) => (idle = resolve));
      worker.postMessage("close");
      await ended;
    },
  };
}
