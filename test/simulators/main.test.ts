import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { PROVIDERS } from "../../src/base/provider.ts";
import { Secret } from "../../src/base/secret.ts";
import { createProber } from "../../src/providers/prober.ts";
import { parseProviderUrls } from "../../src/providers/provider-urls.ts";
import { portsFrom, readFirstPort } from "./main.ts";

test("the command prints origins that the service takes and keys that the providers accept, and ends on SIGTERM with 0", async () => {
  const command = spawn(process.execPath, [fileURLToPath(new URL("./main.ts", import.meta.url))], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SIMULATORS_PORT: "" },
  });
  const ended = once(command, "exit");
  const printed = new Map<string, string>();
  for await (const line of createInterface({ input: command.stdout })) {
    const [, name, value] = /^export ([A-Z_]+)='(.*)'$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) printed.set(name, value);
    if (printed.size === PROVIDERS.length + 1) break;
  }
  const parsed = parseProviderUrls(printed.get("PLORI_PROVIDER_URLS") ?? "");
  const prober = createProber({ clock: manualClock(0), urls: parsed.kind === "urls" ? parsed.urls : {} });
  for (const provider of PROVIDERS) {
    const key = Secret.fromText(printed.get(`SIMULATED_${provider.toUpperCase()}_KEY`) ?? "");
    expect((await prober.probe(provider, key)).outcome).toBe("valid");
  }
  command.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

test("ports are fixed by --port or the environment, free otherwise, and nonsense is refused", () => {
  expect(readFirstPort([], undefined)).toBeUndefined();
  expect(readFirstPort([], "4100")).toBe(4100);
  expect(readFirstPort(["--port", "4200"], "4100")).toBe(4200);
  for (const text of ["0", "65531", "x", "1.5"])
    expect(() => readFirstPort(["--port", text], undefined)).toThrow("port");
  expect(portsFrom(4200)).toEqual({
    openrouter: 4200,
    openai: 4201,
    deepseek: 4202,
    groq: 4203,
    xai: 4204,
    together: 4205,
  });
  expect(portsFrom(undefined)).toEqual({});
});
