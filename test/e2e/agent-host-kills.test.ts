import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectHost } from "../../src/client/connect-host.ts";
import { hostOptions, keepingLog } from "../support/agent-host.ts";
import type { ChildTask } from "../support/spool-child.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { randomFrom } from "../torture/random.ts";
import { type House, openHouse } from "./house.ts";

const CHILD = join(import.meta.dirname, "../support/spool-child.ts");
const ROUNDS = 8;
const RECORDS_BEFORE_KILL_MAX = 400;
/** Nothing listens there: whatever a child of such a round records stays in its spool. */
const NOWHERE = "localhost:1";

let house: House;
const spool = temporaryDirectory();
beforeAll(async () => {
  house = await openHouse();
});
afterAll(async () => {
  await house?.close();
  spool.remove();
});

/** Starts a child and kills it with SIGKILL as soon as it was told of `records` records. Resolves with everything that it was told. */
async function runAndKill(task: ChildTask, records: number): Promise<readonly string[]> {
  const child: ChildProcess = spawn(process.execPath, [CHILD, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no standard output");
  const told: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    told.push(line);
    if (told.length === records) child.kill("SIGKILL");
  });
  await Promise.all([once(child, "exit"), once(lines, "close")]);
  expect(child.signalCode).toBe("SIGKILL");
  return told;
}

async function recordedIds(account: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let pageToken = ""; ; ) {
    const page = await house.as("settings").ledger.listCharges({ account, pageSize: 500, pageToken });
    ids.push(...page.charges.map(({ usageId }) => usageId));
    pageToken = page.nextPageToken;
    if (pageToken === "") return ids;
  }
}

test("killed at random moments, alone and beside others, hosts lose no record that they were told is kept, and double none", async () => {
  await house.connectOwn("a1", "openai");
  await house.place("a1", "agent");
  const { route } = await house.resolve({ account: "a1", model: "openai/gpt-5.5", callId: "kills" });
  const options = hostOptions(house.service, spool.path);
  const random = randomFrom(7);
  const told: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const isAway = round % 2 === 1;
    const children = Array.from({ length: 1 + (round % 3) }, (_, child) => {
      const name = `${round}-${child}`;
      const task = {
        options: isAway ? { ...options, address: NOWHERE } : options,
        name,
        account: "a1",
        agent: "agent",
        route,
      };
      return runAndKill(
        { ...task, width: 1 + Math.floor(random() * 16) },
        1 + Math.floor(random() * RECORDS_BEFORE_KILL_MAX),
      );
    });
    told.push(...(await Promise.all(children)).flat());
  }
  const log = keepingLog();
  const last = await connectHost({ ...options, log });
  const waiting = last.status().waitingRecords;
  expect(waiting).toBeGreaterThan(0);
  expect(await last.flush(60_000)).toBe(true);
  await last.close();

  const recorded = await recordedIds("a1");
  const missing = new Set(told);
  for (const id of recorded) missing.delete(id);
  expect([...missing]).toEqual([]);
  expect(new Set(recorded).size).toBe(recorded.length);
  // Nothing is left: no spool, no lock, nothing refused.
  expect(readdirSync(spool.path)).toEqual([]);
  expect(log.lines.filter((line) => line.startsWith("error"))).toEqual([]);
}, 180_000);
