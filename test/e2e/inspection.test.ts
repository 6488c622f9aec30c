import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openVaultBench, ready, until, type VaultBench } from "../support/vault-service.ts";

let bench: VaultBench;
beforeEach(async () => {
  bench = await openVaultBench();
});
afterEach(() => bench.close());

test("SIGUSR1 opens no debugger and ends nothing, and a diagnostic report holds no environment", async () => {
  const canary = ["canary", crypto.randomUUID()].join("-");
  const reports = bench.directory.path;
  const service = await bench.start(undefined, {
    env: { AWS_SECRET_ACCESS_KEY: canary },
    nodeArgs: ["--report-on-signal", "--report-signal=SIGUSR2", `--report-directory=${reports}`],
  });
  await ready(service);
  process.kill(service.pid, "SIGUSR1");
  process.kill(service.pid, "SIGUSR2");
  const names = () => readdirSync(reports).filter((name) => name.startsWith("report."));
  const text = () => names().map((name) => readFileSync(join(reports, name), "utf8"))[0] ?? "";
  await until(() => text().trimEnd().endsWith("}"), "a report is written");
  expect(text()).not.toContain(canary);
  expect(JSON.parse(text())).not.toHaveProperty("environmentVariables");
  await ready(service);
  expect(service.output()).not.toContain("Debugger listening");
  expect(await service.end()).toBe(0);
});
