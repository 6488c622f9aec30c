import fc from "fast-check";
import { expect } from "vitest";
import { PloriError } from "../../src/base/errors.ts";
import { LIMITS } from "../../src/base/limits.ts";
import { balance } from "../../src/ledger/balance.ts";
import { extendHold } from "../../src/ledger/extend-hold.ts";
import { holdName } from "../../src/ledger/find-authority.ts";
import { grantCredits } from "../../src/ledger/grant-credits.ts";
import { placeHold } from "../../src/ledger/place-hold.ts";
import { publishPrices } from "../../src/ledger/publish-prices.ts";
import { recordUsage } from "../../src/ledger/record-usage.ts";
import { releaseHold } from "../../src/ledger/release-hold.ts";
import { reverseCharge } from "../../src/ledger/reverse-charge.ts";
import type { ChargeRow, HoldRow } from "../../src/ledger/rows.ts";
import type { RecordResult, UsageRecord } from "../../src/ledger/usage-record.ts";
import { voidGrant } from "../../src/ledger/void-grant.ts";
import { digestOf, linesOfLedger, linesOfModel } from "./digest.ts";
import {
  callOver,
  HOST,
  itemsOf,
  NO_TOKENS,
  NOW_MS,
  orderOf,
  RECORDER,
  recordOf,
  routeOf,
  routeOfHold,
  tokens,
} from "./fixtures.ts";
import { checkInvariants } from "./invariants.ts";
import { callLines, costOf, diskLines, ModelAccount, type ModelBook, type ModelLine, waived } from "./model.ts";
import type { TestLedger } from "./tables.ts";

const price = fc.record({
  pico: fc.bigInt({ min: 0n, max: 3_000_000n }),
  per: fc.bigInt({ min: 1n, max: 7n }),
});
/** Prices of a version, with two tiers each. */
export const book: fc.Arbitrary<ModelBook> = fc
  .record({ input: price, longInput: price, output: price, longOutput: price, disk: price })
  .map(({ input, longInput, output, longOutput, disk }) => ({
    input: [
      { ...input, from: 0n },
      { ...longInput, from: 150n },
    ],
    output: [
      { ...output, from: 0n },
      { ...longOutput, from: 150n },
    ],
    disk: { ...disk, from: 0n },
  }));

const account = fc.constantFrom("a1", "a1", "a1", "a2");
const hold = fc.record({
  do: fc.constant("hold" as const),
  account,
  call: fc.nat(3),
  input: fc.bigInt({ min: 0n, max: 300n }),
  output: fc.bigInt({ min: 1n, max: 300n }),
  least: fc.bigInt({ min: 1n, max: 40n }),
});
const record = fc.record({
  do: fc.constant("record" as const),
  account,
  call: fc.nat(3),
  attempt: fc.constantFrom(1, 1, 1, 2),
  input: fc.bigInt({ min: 1n, max: 400n }),
  output: fc.bigInt({ min: 0n, max: 400n }),
});
/** Anything that can be done to a ledger. */
export const command = fc.oneof(
  fc.record({
    do: fc.constant("grant" as const),
    account,
    amount: fc.bigInt({ min: 1n, max: 1_500_000n }),
    priority: fc.nat(1),
    paid: fc.boolean(),
    fromMin: fc.constantFrom(-60, 0, 0, 0, 0, 5),
    untilMin: fc.constantFrom(1, 5, 5, 20, Number.POSITIVE_INFINITY),
  }),
  hold,
  hold,
  record,
  record,
  fc.record({ do: fc.constant("byok" as const), account, tokens: fc.bigInt({ min: 0n, max: LIMITS.quantityMax }) }),
  fc.record({ do: fc.constant("disk" as const), account, byteSeconds: fc.bigInt({ min: 0n, max: 200_000n }) }),
  fc.record({ do: fc.constant("again" as const), pick: fc.nat(50), change: fc.boolean() }),
  fc.record({ do: fc.constant("advance" as const), minutes: fc.constantFrom(0.001, 1, 4, 16) }),
  fc.record({ do: fc.constant("publish" as const), book }),
  fc.record({ do: fc.constant("reverse" as const), account, pick: fc.nat(50) }),
  fc.record({ do: fc.constant("release" as const), account, call: fc.nat(3) }),
  fc.record({
    do: fc.constant("extend" as const),
    account,
    call: fc.nat(3),
    used: fc.option(fc.bigInt({ min: 1n, max: 400n }), { nil: undefined }),
  }),
  fc.record({ do: fc.constant("void" as const), account, pick: fc.nat(20) }),
  fc.constant({ do: "undo" as const }),
  fc.constant({ do: "restart" as const }),
);
/** Something to do to a ledger. */
export type Command = typeof command extends fc.Arbitrary<infer C> ? C : never;

/** Runs commands on a ledger and on the model beside it, comparing every answer and, after each step, every balance and invariant. */
export function runBeside(ledger: TestLedger, firstBook: ModelBook, commands: readonly Command[]): void {
  let nowMs = NOW_MS;
  let count = 0;
  const books: ModelBook[] = [];
  const model = new Map([
    ["a1", new ModelAccount()],
    ["a2", new ModelAccount()],
  ]);
  const modelOf = (name: string): ModelAccount => model.get(name) as ModelAccount;
  const holds = new Map<string, HoldRow>();
  const guesses = new Map<string, readonly ModelLine[]>();
  const recorded: { record: UsageRecord; charge: ChargeRow }[] = [];
  const record = (usage: UsageRecord, recorder = RECORDER): RecordResult =>
    ledger.batch(nowMs, (set) => recordUsage(set, usage, recorder, nowMs));
  const created = (usage: UsageRecord, result: RecordResult): ChargeRow => {
    expect(result.outcome).toBe("CREATED");
    if (result.outcome === "REJECTED") throw new Error("rejected");
    recorded.push({ record: usage, charge: result.charge });
    return result.charge;
  };
  const publish = (next: ModelBook): void => {
    ledger.batch(nowMs, (set) => publishPrices(set, { items: itemsOf(next), effectiveMs: undefined }, nowMs));
    books.push(next);
  };

  function step(next: Command): void {
    count += 1;
    switch (next.do) {
      case "grant": {
        const id = `g${String(count).padStart(4, "0")}`;
        const from = nowMs + next.fromMin * 60_000;
        const until = nowMs + next.untilMin * 60_000;
        if (until <= from) return;
        const category = next.paid ? "PAID" : "PROMOTIONAL";
        const expireMs = Number.isFinite(until) ? until : undefined;
        const { account, amount, priority, paid } = next;
        ledger.batch(nowMs, (set) =>
          grantCredits(
            set,
            { account, grantId: id, amountNano: amount, priority, category, effectiveMs: from, expireMs },
            nowMs,
          ),
        );
        modelOf(account).grant(nowMs, { id, amount, priority, paid, from, until });
        return;
      }
      case "hold": {
        const callId = `call${next.call}`;
        const key = `${next.account}/${callId}`;
        const earlier = holds.get(key);
        if (earlier !== undefined && modelOf(next.account).isOpen(callId)) return;
        if (earlier !== undefined && recorded.some((one) => one.charge.holdId === earlier.holdId)) return;
        // A call whose hold ran out is resolved again as it was.
        const input = earlier?.inputTokens ?? next.input;
        const output = earlier?.requestedOutputTokens ?? next.output;
        const order = orderOf({
          account: next.account,
          callId,
          holdId: `h${String(count).padStart(4, "0")}`,
          inputTokens: input,
          maxOutputTokens: output,
          minOutputTokens: next.least,
        });
        const expected = modelOf(next.account).hold(nowMs, books.at(-1) as ModelBook, {
          id: order.holdId,
          call: callId,
          input,
          output,
          least: next.least,
          ttl: LIMITS.holdMs,
        });
        let placed: HoldRow | undefined;
        try {
          placed = ledger.batch(nowMs, (set) => placeHold(set, order, nowMs));
        } catch (error) {
          expect(error).toBeInstanceOf(PloriError);
          expect((error as PloriError).reason).toBe("CREDITS_EXHAUSTED");
        }
        if (expected === "exhausted") {
          expect(placed).toBeUndefined();
        } else {
          expect(placed).toMatchObject({ maxOutputTokens: expected.output, amountNano: expected.amount });
        }
        if (placed === undefined) return;
        holds.set(key, { ...placed });
        ledger.addRoute(routeOfHold(placed));
        return;
      }
      case "record": {
        const callId = `call${next.call}`;
        const hold = holds.get(`${next.account}/${callId}`);
        if (hold === undefined) return;
        const usageId = `${callId}/${next.attempt}`;
        if (recorded.some((one) => one.record.account === next.account && one.record.usageId === usageId)) return;
        const usage = recordOf(
          usageId,
          callOver(hold.routeId, callId, { attempt: next.attempt, usage: tokens(next.input, next.output) }),
          { account: next.account, occurMs: nowMs },
        );
        const lines = callLines(books[hold.priceVersion - 1] as ModelBook, next.input, next.output);
        const expected = modelOf(next.account).charge(nowMs, lines, callId);
        const charge = created(usage, record(usage, HOST));
        expect(charge.amountNano).toBe(expected.amount);
        expect(charge.allocations.map((draw) => [draw.grantId, draw.amountNano])).toEqual(expected.draws);
        expect(charge.overdraftNano).toBe(expected.overdraft);
        return;
      }
      case "byok": {
        const routeId = `byok${count}`;
        ledger.addRoute(routeOf({ routeId, account: next.account, priceVersion: books.length }));
        const usage = recordOf(`byok/${count}`, callOver(routeId, `byok${count}`, { usage: tokens(next.tokens, 1n) }), {
          account: next.account,
          occurMs: nowMs,
        });
        const charge = created(usage, record(usage, HOST));
        expect(charge.amountNano).toBe(0n);
        const lines = callLines(books.at(-1) as ModelBook, next.tokens, 1n);
        expect(charge.listNano).toBe(costOf(lines));
        modelOf(next.account).charge(nowMs, waived(lines));
        return;
      }
      case "disk": {
        const usage = recordOf(
          `disk/${count}`,
          { kind: "DISK", byteSeconds: next.byteSeconds },
          { account: next.account, occurMs: nowMs },
        );
        const expected = modelOf(next.account).charge(nowMs, diskLines(books.at(-1) as ModelBook, next.byteSeconds));
        const charge = created(usage, record(usage));
        expect(charge.amountNano).toBe(expected.amount);
        expect(charge.allocations.map((draw) => [draw.grantId, draw.amountNano])).toEqual(expected.draws);
        return;
      }
      case "again": {
        const one = recorded[next.pick % Math.max(recorded.length, 1)];
        if (one === undefined) return;
        const again = { ...one.record, chargeId: `never${count}`, labels: next.change ? { changed: "yes" } : {} };
        const result = record(again);
        if (next.change) {
          expect(result).toMatchObject({
            outcome: "REJECTED",
            refusal: { reason: "USAGE_ID_CONFLICT", metadata: { differing_fields: "labels" } },
          });
        } else {
          expect(result).toEqual({ usageId: one.record.usageId, outcome: "REPLAYED", charge: one.charge });
        }
        return;
      }
      case "reverse": {
        const charges = ledger.dump().charges.filter((charge) => charge.account === next.account);
        const sequence = (next.pick % Math.max(charges.length, 1)) + 1;
        const reversed = modelOf(next.account).reverse(nowMs, sequence - 1);
        const reverse = () =>
          ledger.batch(nowMs, (set) => reverseCharge(set, { account: next.account, sequence }, nowMs));
        if (reversed) expect(reverse()).toMatchObject({ reverses: sequence });
        else expect(reverse).toThrow(expect.objectContaining({ name: "PloriError" }));
        return;
      }
      case "release":
      case "extend": {
        const callId = `call${next.call}`;
        const hold = holds.get(`${next.account}/${callId}`);
        if (hold === undefined) return;
        const ref = { account: next.account, name: holdName(next.account, hold.holdId), host: "h1" };
        if (next.do === "release") {
          modelOf(next.account).release(nowMs, callId);
          settled(() => ledger.batch(nowMs, (set) => releaseHold(set, ref, nowMs)));
          return;
        }
        const price = books[hold.priceVersion - 1] as ModelBook;
        const guess = callLines(price, next.used ?? hold.inputTokens, next.used === undefined ? 0n : 7n);
        const used = next.used === undefined ? undefined : { ...NO_TOKENS, inputUncached: next.used, output: 7n };
        const untilMs = Math.max(Math.min(nowMs + LIMITS.holdMs, hold.createMs + LIMITS.holdLifeMaxMs), hold.expireMs);
        const kept = guesses.get(hold.holdId);
        const open = modelOf(next.account).extend(
          nowMs,
          callId,
          untilMs,
          next.used === undefined && kept !== undefined ? kept : guess,
        );
        if (open && next.used !== undefined) guesses.set(hold.holdId, guess);
        const extended = settled(() => ledger.batch(nowMs, (set) => ({ ...extendHold(set, ref, used, nowMs) })));
        expect(extended?.expireMs).toBe(open ? untilMs : undefined);
        if (extended !== undefined) holds.set(`${next.account}/${callId}`, extended);
        return;
      }
      case "void": {
        const grants = ledger.dump().grants.filter((grant) => grant.account === next.account);
        const grantId = grants[next.pick % Math.max(grants.length, 1)]?.grantId;
        if (grantId === undefined) return;
        modelOf(next.account).void(nowMs, grantId);
        ledger.batch(nowMs, (set) => voidGrant(set, { account: next.account, grantId }, nowMs));
        return;
      }
      case "advance":
        nowMs += Math.round(next.minutes * 60_000);
        return;
      case "publish":
        publish(next.book);
        return;
      case "undo":
        expect(() =>
          ledger.batch(nowMs, (set) => {
            recordUsage(set, recordOf(`undone/${count}`, { kind: "DISK", byteSeconds: 5_000n }), RECORDER, nowMs);
            throw new Error("undo");
          }),
        ).toThrow("undo");
        return;
      case "restart":
        ledger.restart();
        return;
      default:
        next satisfies never;
    }
  }

  function settled<T>(decide: () => T): T | undefined {
    try {
      return decide();
    } catch (error) {
      if (error instanceof PloriError) return undefined;
      throw error;
    }
  }

  publish(firstBook);
  for (const next of commands) {
    const before = ledger.dump().charges;
    step(next);
    for (const [name, expected] of model) {
      expected.tick(nowMs);
      const actual = ledger.batch(nowMs, (set) => balance(set, name, nowMs));
      expect(actual).toMatchObject({
        availableNano: expected.available(nowMs),
        heldNano: expected.held,
        spentNano: expected.spent,
        overdraftNano: expected.overdraft,
        grantedNano: expected.granted,
        expiredNano: expected.expired,
        voidedNano: expected.voided,
      });
    }
    checkInvariants(ledger.dump(), nowMs, before);
  }
  const ofLedger = linesOfLedger(ledger.dump());
  const ofModel = linesOfModel(model);
  // The lines are told where the digests differ; while they agree nobody needs to look.
  if (digestOf(ofLedger) !== digestOf(ofModel)) expect(ofLedger).toEqual(ofModel);
  for (const [name, expected] of model) {
    const charges = ledger.dump().charges.filter((charge) => charge.account === name);
    expect(charges.map((charge) => charge.amountNano)).toEqual(expected.log.map((entry) => entry.amount));
    if (expected.log.length > 0) expect(ledger.verify(name)).toEqual([]);
  }
}
