import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const RUN_MAX_MS = 20_000;

/** How a run ended. */
export interface Ended {
  /** Null: it was killed, since it did not end by itself. */
  readonly code: number | null;
  readonly output: string;
}

/** Runs `node src/main.ts` with nothing but these arguments and settings, until it ends by itself. */
export async function runMain(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], ...env },
  });
  let output = "";
  const read = (text: string): void => {
    output += text;
  };
  child.stdout.setEncoding("utf8").on("data", read);
  child.stderr.setEncoding("utf8").on("data", read);
  const kill = (): void => void child.kill("SIGKILL");
  const timer = setTimeout(kill, RUN_MAX_MS);
  signal?.addEventListener("abort", kill, { once: true });
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { code, output };
}

/** Settings that let the service listen on any free port of loopback. */
export const FREE_PORTS = {
  PLORI_GRPC_ADDRESS: "127.0.0.1:0",
  PLORI_CONNECT_ADDRESS: "127.0.0.1:0",
  PLORI_OPS_ADDRESS: "127.0.0.1:0",
} as const;
