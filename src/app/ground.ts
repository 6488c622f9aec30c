import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config.ts";
import type { Closers } from "./closers.ts";

/** What every floor is opened with. */
export interface Ground {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
}
