import { type ServiceProcess, startService } from "../support/service-process.ts";
import { UNLIMITED } from "./stage.ts";

const LOOK_EVERY_MS = 5;
const READY_MAX_MS = 60_000;
const MEMORY_EVERY_MS = 250;
const MIB = 1024 * 1024;

/** Starts the service on that directory. Returns it, and the milliseconds from the process's start until it says that it is ready. */
export async function startToReady(
  dataDir: string,
  providerUrls: string,
): Promise<{ readonly service: ServiceProcess; readonly readyMs: number }> {
  const startMs = performance.now();
  const service = await startService({ dataDir, providerUrls, env: UNLIMITED });
  while (!(await isReady(service))) {
    if (performance.now() - startMs > READY_MAX_MS) {
      await service.end("SIGKILL");
      throw new Error(`not ready after ${READY_MAX_MS} ms:\n${service.output()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return { service, readyMs: performance.now() - startMs };
}

/** Ends the service. Throws when it does not end well. */
export async function endWell(service: ServiceProcess): Promise<void> {
  const code = await service.end();
  if (code !== 0) throw new Error(`the service ended with ${code}:\n${service.output()}`);
}

/** Does `work` and returns its result with the most memory that the service held meanwhile, in MiB. */
export async function withMemory<T>(
  service: ServiceProcess,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly memoryMiB: number }> {
  let mostBytes = 0;
  const look = async (): Promise<void> => {
    mostBytes = Math.max(mostBytes, await residentBytes(service));
  };
  const looking = setInterval(() => void look().catch(() => {}), MEMORY_EVERY_MS);
  try {
    const result = await work();
    await look();
    return { result, memoryMiB: mostBytes / MIB };
  } finally {
    clearInterval(looking);
  }
}

async function isReady({ opsPort }: ServiceProcess): Promise<boolean> {
  const { status } = await fetch(`http://127.0.0.1:${opsPort}/readyz`);
  return status === 200;
}

async function residentBytes({ opsPort }: ServiceProcess): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  const [, bytes] = /^process_resident_memory_bytes (\S+)$/m.exec(metrics) ?? [];
  if (bytes === undefined) throw new Error("the service does not tell its memory");
  return Number(bytes);
}
