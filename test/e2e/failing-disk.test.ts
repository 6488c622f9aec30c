import { spawnSync } from "node:child_process";
import { rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { type Clients, type ServiceProcess, startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { diskRecord, endSurely, given } from "./house.ts";
import { refused } from "./refusal.ts";

const MIB = 1024 * 1024;
const RECOVERY_MAX_MS = 20_000;
/** Mounting needs a user namespace or root; where neither is to be had, what is tested here is tested in parts in test/store/sqlite. */
const canMount = spawnSync("unshare", ["-rm", "sh", "-c", "mount -t tmpfs tmpfs /tmp"]).status === 0;

let directory: ReturnType<typeof temporaryDirectory>;
let service: ServiceProcess | undefined;
beforeEach(() => {
  directory = temporaryDirectory();
  service = undefined;
});
afterEach(async () => {
  if (service !== undefined) await endSurely(service);
  directory.remove();
});

type Batch = ReturnType<typeof diskRecord>[];

function batchOf(prefix: string): Batch {
  return Array.from({ length: 100 }, (_, i) => diskRecord("full", `${prefix}-${i}`));
}

/** Records batches one call after the other until one is refused, at most `count`. Returns those that were acknowledged. */
async function recordUntilRefused({ ledger }: Clients, prefix: string, count: number): Promise<readonly Batch[]> {
  const acknowledged: Batch[] = [];
  while (acknowledged.length < count) {
    const records = batchOf(`${prefix}-${acknowledged.length}`);
    try {
      await ledger.recordUsage({ records });
    } catch {
      break;
    }
    acknowledged.push(records);
  }
  return acknowledged;
}

async function readGauge({ opsPort }: ServiceProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  return Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1]);
}

async function chargesOf({ ledger }: Clients): Promise<number> {
  const { summaries } = await ledger.summarizeUsage({ account: "full" });
  return Number(summaries[0]?.charges);
}

describe.skipIf(!canMount)("on a disk of its own that fills up", () => {
  const DISK_BYTES = 48 * MIB;
  const BALLAST_BYTES = 8 * MIB;
  let disk: string;

  beforeEach(async () => {
    const mountPoint = join(directory.path, "disk");
    const script = `mkdir -p ${mountPoint} && mount -t tmpfs -o size=${DISK_BYTES} tmpfs ${mountPoint} && exec "$@"`;
    // The service alone sees the disk; through its process the test does, too.
    const link = join(directory.path, "link");
    service = await startService({
      dataDir: link,
      env: { PLORI_DATA_DIR: mountPoint, PLORI_BALLAST_BYTES: String(BALLAST_BYTES) },
      wrapper: ["unshare", "-rm", "sh", "-c", script, "sh"],
    });
    symlinkSync(`/proc/${service.pid}/root${mountPoint}`, link);
    disk = link;
  });

  const ballast = () => statSync(join(disk, "plori.db.ballast"), { throwIfNoEntry: false })?.size ?? 0;

  test("whatever writes is refused as STORAGE_FULL with a wait, reading goes on, the ballast is given up, and once there is room all is as before without a restart", async () => {
    const running = given(service);
    const recorder = running.as("recorder");
    const billing = running.as("billing");
    const settings = running.as("settings");
    await expect.poll(ballast, { timeout: RECOVERY_MAX_MS }).toBe(BALLAST_BYTES);
    await billing.ledger.grantCredits({ account: "full", amount: { units: 5n } });
    expect((await recordUntilRefused(recorder, "before", 2)).length).toBe(2);

    // Somebody else's file takes the rest.
    const filler = join(disk, "filler");
    expect(() => writeFileSync(filler, Buffer.alloc(DISK_BYTES))).toThrow("ENOSPC");
    const acknowledged = await recordUntilRefused(recorder, "full", 1_000);
    expect(acknowledged.length).toBeLessThan(1_000);
    await expect.poll(ballast, { timeout: RECOVERY_MAX_MS }).toBe(0);
    for (const call of [
      recorder.ledger.recordUsage({ records: [diskRecord("full", "one-more")] }),
      billing.ledger.grantCredits({ account: "full", amount: { units: 1n } }),
    ])
      expect(await refused(call)).toMatchObject({ code: "Unavailable", reason: "STORAGE_FULL", retryMs: 5_000 });
    expect(await readGauge(running, "plori_storage_full")).toBe(1);

    // Nothing of a refused batch is there, everything acknowledged is, and nothing stands in the way of reading.
    const before = (acknowledged.length + 2) * 100;
    expect(await chargesOf(settings)).toBe(before);
    const verified = await Array.fromAsync(running.as("auditor").ledger.verifyLedger({}));
    expect(verified.flatMap(({ differences }) => differences)).toEqual([]);

    rmSync(filler);
    const again = batchOf("again");
    const record = () =>
      recorder.ledger.recordUsage({ records: again }).then(
        ({ results }) => results.every(({ outcome }) => outcome === RecordOutcome.CREATED),
        () => false,
      );
    await expect.poll(record, { timeout: RECOVERY_MAX_MS }).toBe(true);
    await expect.poll(ballast, { timeout: RECOVERY_MAX_MS }).toBe(BALLAST_BYTES);
    expect(await chargesOf(settings)).toBe(before + 100);
    expect(await readGauge(running, "plori_storage_full")).toBe(0);
  }, 120_000);
});

test("a disk that fails to write ends the process with 1: nothing more is acknowledged, and everything that was is there after the next start", async () => {
  // A file that may not grow makes the write itself fail, and not for want of room: to SQLite that is an I/O error like any other.
  const blocks = (4 * MIB) / 512;
  service = await startService({
    dataDir: directory.path,
    env: { PLORI_BALLAST_BYTES: "0" },
    wrapper: ["sh", "-c", `ulimit -f ${blocks} && exec "$@"`, "sh"],
  });
  const acknowledged = await recordUntilRefused(service.as("recorder"), "io", 1_000);
  expect(acknowledged.length).toBeGreaterThan(0);
  expect(acknowledged.length).toBeLessThan(1_000);
  expect(await service.ended).toBe(1);
  expect(service.output()).toContain("nothing more is acknowledged");

  service = await startService({ dataDir: directory.path });
  for (const records of acknowledged) {
    const { results } = await service.as("recorder").ledger.recordUsage({ records });
    expect(results.filter(({ outcome }) => outcome !== RecordOutcome.REPLAYED)).toEqual([]);
  }
}, 120_000);
