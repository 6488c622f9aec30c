import { execFile } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readCsvLine } from "../../src/export/csv.ts";
import type { Charge } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { endSurely, nano } from "./house.ts";

const PROGRAM = join(import.meta.dirname, "../../src/export.ts");
let directory: ReturnType<typeof temporaryDirectory>;
let service: ServiceProcess;
let end: string;

beforeAll(async () => {
  directory = temporaryDirectory();
  service = await startService({ dataDir: join(directory.path, "data") });
  const recorder = service.as("recorder");
  for (const account of ["b2", "b1"]) {
    await service.as("billing").ledger.grantCredits({ account, amount: { units: 1n } });
    const records = Array.from({ length: 450 }, (_, index) => ({
      usageId: `u/${index}`,
      account,
      agent: "-agent",
      occurTime: timestampNow(),
      labels: { team: index % 2 === 0 ? '=HYPERLINK("http://x")' : "a, b" },
      kind: { case: "disk" as const, value: { byteSeconds: 1_000_000_000_000n + BigInt(index) } },
    }));
    await recorder.ledger.recordUsage({ records });
  }
  await service.as("billing").ledger.reverseCharge({ name: "accounts/b1/charges/7" });
  end = new Date().toISOString();
});
afterAll(async () => {
  await endSurely(service);
  directory.remove();
});

/** Runs the program as an operator does. */
function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const pki = join(directory.path, "data/pki");
  const where = ["--address", `localhost:${service.grpcPort}`, "--ca", join(pki, "ca.pem")];
  const who = ["--cert", join(pki, "billing.pem"), "--key", join(pki, "billing.key")];
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...where, ...who, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
    });
  });
}

/** The lines of a file as objects. */
function readRows(path: string): Record<string, string>[] {
  const [header = "", ...lines] = readFileSync(path, "utf8").split("\r\n").slice(0, -1);
  const names = readCsvLine(header) ?? [];
  return lines.map((line) => Object.fromEntries((readCsvLine(line) ?? []).map((cell, at) => [names[at] ?? "", cell])));
}

const pathOf = (name: string): string => join(directory.path, name);

test("an account's charges come out with exact amounts, harmless cells, and as the service has them", async () => {
  const out = pathOf("one.csv");
  const done = await run("--out", out, "--account", "b1");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(/^export: 451 charges, \d+\.\d{9} credits written to .*SHA-256 [0-9a-f]{64}\)\n$/);
  const rows = readRows(out);
  const answers = await Array.fromAsync(service.as("billing").ledger.exportCharges({ account: "b1" }));
  const charges: Charge[] = answers.flatMap((answer) => answer.charges);
  expect(rows.map(({ sequence }) => sequence)).toEqual(charges.map(({ sequence }) => String(sequence)));
  for (const [at, charge] of charges.entries()) {
    const [units = "", places = ""] = (rows[at]?.["amount"] ?? "").split(".");
    expect(BigInt(units + places)).toBe(nano(charge.amount));
    expect(rows[at]?.["disk_byte_seconds"]).toBe(String(charge.lines[0]?.quantity));
  }
  expect(rows[0]).toMatchObject({ account: "b1", kind: "DISK", payer: "HOSTED", usage_id: "u/0", agent: "'-agent" });
  expect(rows[0]?.["labels"]).toBe('{"team":"=HYPERLINK(\\"http://x\\")"}');
  expect(rows[450]).toMatchObject({ reverses: "accounts/b1/charges/7", usage_id: "" });
  expect(rows[450]?.["amount"]).toMatch(/^-\d+\.\d{9}$/);
});

test("a file that was cut off anywhere is continued to the very same file, over every account", async () => {
  const out = pathOf("every.csv");
  const args = ["--out", out, "--to", end, "--from", "2026-01-01"];
  expect(await run(...args)).toMatchObject({ code: 0 });
  const whole = readFileSync(out);
  expect(readRows(out).map(({ account, sequence }) => `${account}/${sequence}`)).toEqual([
    ...Array.from({ length: 451 }, (_, index) => `b1/${index + 1}`),
    ...Array.from({ length: 450 }, (_, index) => `b2/${index + 1}`),
  ]);
  for (const cut of [0, 10, 5_000, Math.floor(whole.length / 2), whole.length - 1]) {
    truncateSync(out, cut);
    expect(await run(...args)).toMatchObject({ code: 0 });
    expect(readFileSync(out).equals(whole)).toBe(true);
  }
  expect((await run(...args)).stdout).toContain("0 charges, 0.000000000 credits");
  expect(readFileSync(out).equals(whole)).toBe(true);
});

test("a file of another account, other times or another kind is left as it is", async () => {
  const out = pathOf("other.csv");
  expect(await run("--out", out, "--account", "b1", "--to", end)).toMatchObject({ code: 0 });
  const before = readFileSync(out);
  for (const args of [
    ["--account", "b2"],
    ["--account", "b1", "--to", "2026-01-01"],
  ]) {
    const refused = await run("--out", out, ...args);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("holds another export");
  }
  expect(readFileSync(out).equals(before)).toBe(true);
  const diary = pathOf("diary.txt");
  writeFileSync(diary, "dear diary\n");
  expect(await run("--out", diary, "--account", "b1")).toMatchObject({ code: 1 });
  expect(readFileSync(diary, "utf8")).toBe("dear diary\n");
});

test("what the service refuses, and wrong arguments, end with their own codes and are told", async () => {
  const future = await run("--out", pathOf("future.csv"), "--to", "2999-01-01");
  expect(future).toMatchObject({ code: 1 });
  expect(future.stderr).toContain("end_time must not be in the future");
  const wrong = await run("--account", "b1");
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.stderr).toContain("--out is missing");
  expect(wrong.stderr).toContain("usage: npm run export");
});
