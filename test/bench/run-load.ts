import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { EchoPlan } from "./echo-server.ts";
import type { LoadPlan, LoadResult } from "./plan.ts";

const LOAD = join(import.meta.dirname, "load.ts");
const ECHO = join(import.meta.dirname, "echo-server.ts");

/** Runs the load generator to its end in a process of its own. Throws when calls failed: a rate of refusals is no rate. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const child = spawn(process.execPath, [LOAD], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(plan));
  const printed = await text(child.stdout);
  if (printed === "") throw new Error("the load generator ended without a result");
  const result = JSON.parse(printed) as LoadResult;
  const [failure] = Object.entries(result.failures);
  if (failure !== undefined) {
    throw new Error(
      `${failure[1].count} calls ended with status ${failure[0]}: ${decodeURIComponent(failure[1].message)}`,
    );
  }
  return result;
}

/** Starts the baseline. */
export async function startEcho(plan: EchoPlan): Promise<{ readonly port: number; stop(): void }> {
  const child = spawn(process.execPath, [ECHO], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(plan));
  for await (const line of createInterface({ input: child.stdout }))
    return { port: Number(line), stop: () => child.kill() };
  throw new Error("the echo did not start");
}
