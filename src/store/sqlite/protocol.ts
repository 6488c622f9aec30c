import type { Refusal } from "../../base/errors.ts";
import type { CommandName } from "./executors.ts";
import type { News } from "./news.ts";

/** What the main thread sends: commands to run in one transaction, and the time. */
export interface Batch {
  readonly nowMs: number;
  readonly commands: readonly (readonly [name: CommandName, input: unknown])[];
}

/** What became of one command. `failed`: a fault of ours, its text for the log only. */
export type CommandResult =
  | { readonly ok: true; readonly answer: unknown }
  | { readonly ok: false; readonly refusal: Refusal }
  | { readonly ok: false; readonly failed: string };

/** What the writing thread is told besides batches: to cut the write-ahead log, to try whether anything can be written, to end. */
export type WorkerOrder = "truncate-log" | "probe" | "close";

/** What the writing thread sends back. `fatal`: the disk lied or the file is corrupt; nothing more may be acknowledged. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "truncated"; readonly isWhole: boolean }
  | { readonly kind: "probed"; readonly hasRoom: boolean }
  | { readonly kind: "done"; readonly results: readonly CommandResult[]; readonly news?: readonly News[] }
  | { readonly kind: "fatal"; readonly message: string };

/** What the writing thread is started with. */
export interface WorkerOptions {
  readonly path: string;
  readonly nowMs: number;
  /** The line below which an account's credits count as low. */
  readonly creditsLowNano: bigint;
}
