import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Code } from "../base/errors.ts";

/** Seconds; from a warm answer to a caller's deadline. */
const DURATION_BUCKETS_S = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30];

/** What this process counts. Labels hold RPC names and codes only: no account, no key, no text of anybody's. */
export interface Metrics {
  readonly registry: Registry;
  called(rpc: string, code: Code | "OK", durationMs: number): void;
  /** A figure that is read when somebody asks for the metrics. */
  gauge(name: string, help: string, read: () => number): void;
}

/** A registry of its own for each app, so that two in one process do not mix. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const calls = new Counter({
    name: "plori_calls_total",
    help: "Calls answered, by RPC and code.",
    labelNames: ["rpc", "code"],
    registers: [registry],
  });
  const durations = new Histogram({
    name: "plori_call_duration_seconds",
    help: "Time from a call's start to its answer, by RPC.",
    labelNames: ["rpc"],
    buckets: DURATION_BUCKETS_S,
    registers: [registry],
  });
  return {
    registry,
    called(rpc, code, durationMs) {
      calls.inc({ rpc, code });
      durations.observe({ rpc }, durationMs / 1000);
    },
    gauge(name, help, read) {
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          this.set(read());
        },
      });
    },
  };
}
