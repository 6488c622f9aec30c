import { setTimeout as pause } from "node:timers/promises";
import { chance } from "../../base/chance.ts";
import type { Clock } from "../../base/clock.ts";
import { HostError } from "../host-error.ts";
import type { AnswerStream } from "../link/link.ts";
import type { HostLog } from "../log.ts";
import type { Revoked } from "./lease-book.ts";
import { ageMs, type Moment } from "./lease-length.ts";

/** One message of the stream of revocations. */
export interface RevocationMessage {
  /** Where the stream stands after it. */
  readonly resumeToken: string;
  /** None: a sign of life. */
  readonly revocations: readonly Revoked[];
  /** Nothing that was given out until now may be reused. */
  readonly everything: boolean;
}

/** What the watch needs. */
export interface RevocationWatchDeps {
  readonly clock: Clock;
  readonly log: HostLog;
  /** Opens a stream that goes on after `resumeToken`; empty: from now on. */
  readonly open: (resumeToken: string) => AnswerStream<RevocationMessage>;
  readonly onRevoked: (revoked: Revoked) => void;
  readonly onEverything: () => void;
  readonly limits?: Partial<WatchLimits>;
}

/** Waits of the watch, in milliseconds. */
export interface WatchLimits {
  /** A stream that is silent for longer is taken for dead: the service sends a sign of life every five seconds. */
  readonly silenceMaxMs: number;
  /** For how long leases are still used after the stream broke. */
  readonly brokenMaxMs: number;
  readonly reconnectFirstMs: number;
  readonly reconnectLastMs: number;
}

const DEFAULTS: WatchLimits = {
  silenceMaxMs: 11_000,
  brokenMaxMs: 2_000,
  reconnectFirstMs: 50,
  reconnectLastMs: 5_000,
};
const LOOK_EVERY_MS = 500;

/**
 * Hears which leases are revoked, for as long as the host lives. `isListening` is the fail-closed side of it: nothing may be reused before the first message
 * of a stream has come, nor once the stream has been silent or broken for too long.
 */
export class RevocationWatch {
  readonly #deps: RevocationWatchDeps;
  readonly #limits: WatchLimits;
  #resumeToken = "";
  /** When the last message came; undefined: nothing is known, or what was known is too old. */
  #heard: Moment | undefined;
  /** When the stream broke; undefined while it stands. */
  #broken: Moment | undefined;
  #stream: AnswerStream<RevocationMessage> | undefined;
  /** When the stream was opened or last gave a message. */
  #lastSign: Moment | undefined;
  readonly #closing = new AbortController();
  #isMoving = false;
  readonly #ended: Promise<void>;
  readonly #timer: NodeJS.Timeout;

  constructor(deps: RevocationWatchDeps) {
    this.#deps = deps;
    this.#limits = { ...DEFAULTS, ...deps.limits };
    this.#ended = this.#run();
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** Whether revocations are heard, so that leases may be used. */
  isListening(): boolean {
    const heard = this.#heard;
    if (heard === undefined) return false;
    const now = this.#now();
    const isLost =
      ageMs(heard, now) > this.#limits.silenceMaxMs ||
      (this.#broken !== undefined && ageMs(this.#broken, now) > this.#limits.brokenMaxMs);
    if (!isLost) return true;
    // What was missed meanwhile may be told later, but what rested on hearing it is gone.
    this.#heard = undefined;
    this.#deps.log.warn("revocations are not heard: routes are not reused until they are");
    this.#deps.onEverything();
    return false;
  }

  /** Looks whether the stream is still heard, and ends one that is dead. Happens by itself; public for tests. */
  look(): void {
    this.isListening();
    const last = this.#lastSign;
    if (last !== undefined && ageMs(last, this.#now()) > this.#limits.silenceMaxMs) this.#stream?.cancel();
  }

  /** Opens the stream anew, where it stands: the connection was renewed. */
  move(): void {
    this.#isMoving = true;
    this.#stream?.cancel();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#closing.abort();
    this.#stream?.cancel();
    this.#heard = undefined;
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      const wasHeard = await this.#listen();
      if (signal.aborted) return;
      if (wasHeard) failures = 0;
      if (this.#isMoving) {
        this.#isMoving = false;
        continue;
      }
      failures += 1;
      const { reconnectFirstMs, reconnectLastMs } = this.#limits;
      const waitMs = Math.min(reconnectFirstMs * 2 ** (failures - 1), reconnectLastMs) * (0.5 + chance() / 2);
      await pause(waitMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Listens to one stream until it ends, however it ends. Says whether it gave a message. */
  async #listen(): Promise<boolean> {
    const { open, log } = this.#deps;
    let wasHeard = false;
    try {
      this.#lastSign = this.#now();
      const stream = open(this.#resumeToken);
      this.#stream = stream;
      for await (const message of stream.messages) {
        wasHeard = true;
        this.#hear(message);
      }
      log.debug("the stream of revocations ended");
    } catch (error) {
      if (!this.#isMoving && !this.#closing.signal.aborted)
        log.warn("the stream of revocations broke", describe(error));
      // A token that the service does not take is worth nothing: begin anew, with nothing to reuse.
      if (error instanceof HostError && error.code === "INVALID_ARGUMENT") this.#resumeToken = "";
    } finally {
      this.#stream = undefined;
      this.#broken ??= this.#now();
    }
    return wasHeard;
  }

  #hear({ resumeToken, revocations, everything }: RevocationMessage): void {
    const { onEverything, onRevoked } = this.#deps;
    // A stream that begins anew does not tell what was revoked before it.
    if (everything || this.#resumeToken === "") onEverything();
    for (const revoked of revocations) onRevoked(revoked);
    this.#resumeToken = resumeToken;
    this.#heard = this.#now();
    this.#lastSign = this.#heard;
    this.#broken = undefined;
  }

  #now(): Moment {
    const { clock } = this.#deps;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }
}

function describe(error: unknown): Readonly<Record<string, unknown>> {
  return error instanceof HostError ? { code: error.code, reason: error.reason } : { code: "UNKNOWN" };
}
