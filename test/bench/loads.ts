import type { ServiceProcess } from "../support/service-process.ts";
import type { BenchOptions } from "./bench.ts";
import type { LoadPlan, LoadResult, PlannedCall } from "./plan.ts";
import { runLoad, startEcho } from "./run-load.ts";

/** Connections of a load, and calls in flight over all of them. */
export const CONNECTIONS = 4;
/** A durable answer waits for a commit that it shares, so it takes more callers to keep the service busy than the baseline, which is as fast with fewer. */
export const IN_FLIGHT = 256;
const OPEN_LOOP_IN_FLIGHT = 2_000;

/** Loads on one service, and the same on the baseline. */
export interface Loads {
  /** Calls as agent-host-1: as fast as they are answered, or at a fixed rate. */
  load(chain: readonly PlannedCall[], ratePerSecond?: number): Promise<LoadResult>;
  /** The same frames to the same kind of listener, answered by as many bytes. */
  echo(calls: PlannedCall, answerBytes: number, ratePerSecond?: number): Promise<LoadResult>;
}

/** Loads on this service. */
export function loadsOn(service: ServiceProcess, { quick }: Pick<BenchOptions, "quick">): Loads {
  const plan = (port: number, chain: readonly PlannedCall[], ratePerSecond: number): LoadPlan => ({
    port,
    ...service.pem("agent-host-1"),
    connections: CONNECTIONS,
    inFlight: ratePerSecond === 0 ? IN_FLIGHT : OPEN_LOOP_IN_FLIGHT,
    ratePerSecond,
    warmUpMs: quick ? 1_500 : 4_000,
    measureMs: quick ? 2_000 : 6_000,
    chain,
  });
  return {
    load: (chain, ratePerSecond = 0) => runLoad(plan(service.grpcPort, chain, ratePerSecond)),
    async echo(calls, answerBytes, ratePerSecond = 0) {
      const server = await startEcho({ ...service.pem("server"), answerBytes: answerBytes - 5 });
      try {
        return await runLoad(plan(server.port, [{ ...calls, path: "/bench.Echo/Call" }], ratePerSecond));
      } finally {
        server.stop();
      }
    },
  };
}

/** Units of work a second. */
export function rateOf({ chains, seconds }: LoadResult): number {
  return chains / seconds;
}

/** What was seen of the generator: at a whole core it would have been the limit. */
export function describeLoad(mine: LoadResult, base: LoadResult): string {
  return `generator at ${mine.ownCpu.toFixed(2)} core (baseline ${base.ownCpu.toFixed(2)}), answer ${mine.answerBytes} B`;
}
