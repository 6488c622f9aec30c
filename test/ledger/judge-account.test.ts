import { expect, test } from "vitest";
import { grantCredits } from "../../src/ledger/grant-credits.ts";
import { placeHold } from "../../src/ledger/place-hold.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../src/ledger/record-usage.ts";
import { item, NOW_MS, orderOf, RECORDER, recordOf } from "./fixtures.ts";
import { memoryLedger } from "./tables.ts";

const LOW = 1_000n;
const GRANT = {
  account: "a1",
  grantId: "g1",
  amountNano: 5_000n,
  priority: 0,
  category: "PAID",
  effectiveMs: undefined,
  expireMs: undefined,
} as const;

/** A ledger whose account "a1" has 5,000 nano-credits, at one a token and a byte-second. */
function fundedLedger() {
  const ledger = memoryLedger();
  ledger.batch(NOW_MS, (set) => {
    const items = [item("INPUT_UNCACHED", 1_000n), item("OUTPUT", 1_000n), item("DISK", 1_000n)];
    publishPrices(set, { items, effectiveMs: undefined }, NOW_MS);
    grantCredits(set, GRANT, NOW_MS);
  });
  return ledger;
}

test("a hold that sets everything aside is not told of: what it does not use comes back", () => {
  fundedLedger().batch(NOW_MS, (set) => {
    const order = { account: "a1", callId: "c1", holdId: "h1", maxOutputTokens: 1_000_000n };
    expect(placeHold(set, orderOf(order), NOW_MS)).toMatchObject({ amountNano: 5_000n });
    expect(set.judge(NOW_MS, LOW)).toEqual([]);
  });
});

test("what a hold leaves to be spent stands in the event, and the level is taken along with the batch's rows", () => {
  const ledger = fundedLedger();
  ledger.batch(NOW_MS, (set) => {
    placeHold(set, orderOf({ account: "a1", callId: "c1", holdId: "h1" }), NOW_MS);
    recordUsage(set, recordOf("u1", { kind: "DISK", byteSeconds: 4_500n }), RECORDER, NOW_MS);
    const standing = { account: "a1", availableNano: 300n, heldNano: 200n, overdraftNano: 0n };
    expect(set.judge(NOW_MS, LOW)).toEqual([{ kind: "CREDITS_LOW", ...standing }]);
    expect(set.judge(NOW_MS, LOW)).toEqual([]);
    expect(set.drain().pools).toMatchObject([{ creditLevel: "LOW" }]);
  });
});

test("only accounts that changed are looked at", () => {
  const ledger = fundedLedger();
  ledger.batch(NOW_MS, (set) => {
    set.account("a1");
    expect(set.judge(NOW_MS, 1_000_000n)).toEqual([]);
  });
});
