import { join } from "node:path";
import { expect, test } from "vitest";
import { manualClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { openSqlite } from "../../src/store/sqlite/open-sqlite.ts";
import { testMutation } from "../support/mutation.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { item, NOW_MS, RECORDER, recordOf } from "./fixtures.ts";

const CLIENTS = 20;
const IDS = 200;
const POISONED_EVERY = 10;

test("twenty clients that send the same records at once, each in an order of its own and a tenth with another payload, leave each record once", async () => {
  const directory = temporaryDirectory();
  const store = await openSqlite(join(directory.path, "plori.db"), manualClock(NOW_MS), silentLog);
  try {
    const items = [item("DISK", 1_000n)];
    await store.ledger.publishPrices({ items, effectiveMs: undefined }, testMutation("", "prices.published"));
    const outcomes = { CREATED: 0, REPLAYED: 0, REJECTED: 0 };
    const reasons = new Set<string>();
    // The first client is honest, so that the first payload of every id is the right one.
    const send = async (client: number): Promise<void> => {
      const records = Array.from({ length: IDS }, (_, i) => (i * 7 + client * 31) % IDS).map((id) => {
        const poisoned = client > 0 && (id + client) % POISONED_EVERY === 0;
        return recordOf(`u${id}`, { kind: "DISK", byteSeconds: poisoned ? 9n : 5n });
      });
      for (let at = 0; at < IDS; at += 50) {
        const part = records.slice(at, at + 50);
        const results = await store.ledger.recordUsage(part, RECORDER, testMutation("a1", "usage.recorded"));
        for (const result of results) {
          outcomes[result.outcome] += 1;
          if (result.outcome === "REJECTED")
            reasons.add(`${result.refusal.reason} ${result.refusal.metadata?.["differing_fields"]}`);
        }
      }
    };
    await send(0);
    await Promise.all(Array.from({ length: CLIENTS - 1 }, (_, client) => send(client + 1)));
    const poisoned = ((CLIENTS - 1) * IDS) / POISONED_EVERY;
    expect(outcomes).toEqual({ CREATED: IDS, REPLAYED: IDS * (CLIENTS - 1) - poisoned, REJECTED: poisoned });
    expect([...reasons]).toEqual(["USAGE_ID_CONFLICT byte_seconds"]);
    expect(await store.ledger.balance("a1")).toMatchObject({ spentNano: BigInt(IDS) * 5n });
    const [verified] = await Array.fromAsync(store.ledger.verify("a1", "", new AbortController().signal));
    expect(verified?.differences).toEqual([]);
  } finally {
    await store.close();
    directory.remove();
  }
});
