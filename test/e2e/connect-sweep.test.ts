import { join } from "node:path";
import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { CONNECT_LIFE_MS } from "../../src/keyvault/connect-ports.ts";
import { openReader } from "../../src/store/sqlite/open-database.ts";
import { openSqlite } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { startService } from "../support/service-process.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const DAY_MS = 24 * 3_600_000;

test("a process that starts destroys the verifiers whose time was over while none ran, and removes what ended a day ago", async () => {
  const directory = temporaryDirectory();
  const path = join(directory.path, "plori.db");
  const nowMs = Date.now();
  const clock = manualClock(nowMs - 2 * DAY_MS);
  const sqlite = await openSqlite(path, clock, silentLog);
  for (const [connectId, beginMs] of [
    ["old", nowMs - 2 * DAY_MS],
    ["expired", nowMs - CONNECT_LIFE_MS],
    ["open", nowMs],
  ] as const) {
    const sealedVerifier = { dataKeyId: "records", dataKeyVersion: 1, bytes: new Uint8Array(200).fill(7) };
    const connect = { account: "a", connectId, codeChallenge: "c", beginMs, expireMs: beginMs + CONNECT_LIFE_MS };
    await sqlite.connects.begin({ ...connect, sealedVerifier }, testMutation("a", "connect.begun"));
  }
  await sqlite.close();
  const service = await startService({ dataDir: directory.path });
  const reader = openReader(path);
  const rows = reader.prepare(
    "SELECT connect_id AS connectId, sealed IS NULL AS destroyed FROM openrouter_connect ORDER BY expire_ms",
  );
  try {
    await expect
      .poll(() => rows.all())
      .toEqual([
        { connectId: "expired", destroyed: 1n },
        { connectId: "open", destroyed: 0n },
      ]);
  } finally {
    reader.close();
    await service.end();
    directory.remove();
  }
});
