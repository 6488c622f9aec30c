/** One kind of call that the load generator makes. The request is a whole gRPC frame; the marks in it are written over with fresh ids. */
export interface PlannedCall {
  /** The gRPC path, "/package.Service/Method". */
  readonly path: string;
  /** Frames to send in turn, base64. */
  readonly frames: readonly string[];
  /** Every place where this mark stands in a frame gets a fresh id of the same length. Empty: none. */
  readonly freshMark: string;
  /** Every place where this mark stands gets the route id of the answer before. Empty: none. */
  readonly routeMark: string;
}

/** What the load generator is told, as JSON on its standard input. */
export interface LoadPlan {
  readonly port: number;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly connections: number;
  /** Closed loop: calls (or chains of calls) in flight. Open loop: the most that may be. */
  readonly inFlight: number;
  /** Open loop: chains started per second; 0 for a closed loop. */
  readonly ratePerSecond: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** Made one after the other; a chain is one unit of work. */
  readonly chain: readonly PlannedCall[];
}

/** What the load generator found, as JSON on its standard output. */
export interface LoadResult {
  /** Chains finished within the measured time. */
  readonly chains: number;
  readonly seconds: number;
  /** Calls that ended with another status than OK, by status; the first message of each. */
  readonly failures: Readonly<Record<string, { readonly count: number; readonly message: string }>>;
  /** Latencies of chains, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Mean payload of an answer of the chain's first call, frame prefix included, in bytes. */
  readonly answerBytes: number;
  /** The generator's own processor time over the measured time: 1 means a whole core, and then it was the limit. */
  readonly ownCpu: number;
}
