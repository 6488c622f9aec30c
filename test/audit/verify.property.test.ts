import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Checkpoint } from "../../src/audit/checkpoint.ts";
import { ChainVerifier, type Finding, type StoredRecord, WHOLE_CHAIN } from "../../src/audit/verify.ts";
import { chainOf, checkpointsOf, factsOf } from "./chains.ts";

const LENGTH = 24;
const EVERY = 4;
const facts = Array.from({ length: LENGTH }, (_, n) => factsOf(n));
const chain = chainOf(facts);
const checkpoints = checkpointsOf(chain, EVERY);
const positions = chain.map((_record, index) => index);

function verify(
  records: readonly StoredRecord[],
  signed: readonly Checkpoint[] = checkpoints,
  base = WHOLE_CHAIN,
): readonly Finding[] {
  const verifier = new ChainVerifier(base, signed);
  for (const record of records) verifier.add(record);
  verifier.end();
  return verifier.findings;
}

function kindsAt(findings: readonly Finding[]): string[] {
  return findings.map(({ kind, seq }) => `${kind} ${seq}`);
}

function recordAt(index: number): StoredRecord {
  const record = chain[index];
  if (record === undefined) throw new Error("no such record");
  return record;
}

test("an untouched chain of any length has no findings, and every checkpoint agrees", () => {
  for (let length = 0; length <= LENGTH; length += 1) {
    const part = chain.slice(0, length);
    const verifier = new ChainVerifier(WHOLE_CHAIN, checkpointsOf(part, EVERY));
    for (const record of part) verifier.add(record);
    verifier.end();
    expect(verifier.findings).toEqual([]);
    expect(verifier.checkpoints).toBe(Math.floor(length / EVERY));
    expect(verifier.checkpointSeq).toBe(BigInt(length - (length % EVERY)));
  }
});

describe("at every position", () => {
  const edits: Record<string, (record: StoredRecord) => StoredRecord> = {
    writer: (r) => ({ ...r, writer: "other" }),
    time: (r) => ({ ...r, timeMs: r.timeMs + 1 }),
    kind: (r) => ({ ...r, kind: "key.deleted" }),
    caller: (r) => ({ ...r, caller: `${r.caller}x` }),
    actor: (r) => ({ ...r, actor: "somebody" }),
    account: (r) => ({ ...r, account: "mallory" }),
    subject: (r) => ({ ...r, subject: "" }),
    details: (r) => ({ ...r, details: "{}" }),
    "caller and actor, shifted between them": (r) => ({
      ...r,
      caller: r.caller.slice(0, -1),
      actor: r.caller.slice(-1),
    }),
  };
  for (const [what, edit] of Object.entries(edits))
    test(`an edit of ${what} is found at that very record, and nowhere else`, () => {
      for (const at of positions) {
        const findings = verify(chain.map((record, index) => (index === at ? edit(record) : record)));
        expect(kindsAt(findings)).toEqual([`ALTERED ${at + 1}`]);
      }
    });

  test("an edit of the hash is found there and at the next record, or by the checkpoint", () => {
    for (const at of positions) {
      const findings = verify(
        chain.map((record, index) => (index === at ? { ...record, hash: Buffer.alloc(32, 9) } : record)),
      );
      expect(kindsAt(findings)[0]).toBe(`ALTERED ${at + 1}`);
      if (at + 1 < LENGTH) expect(kindsAt(findings)).toContain(`ALTERED ${at + 2}`);
    }
  });

  test("a deletion is found: as missing, or at the end as truncation", () => {
    for (const at of positions) {
      const findings = kindsAt(verify(chain.filter((_record, index) => index !== at)));
      expect(findings).toEqual([at === LENGTH - 1 ? `TRUNCATED ${LENGTH - 1}` : `MISSING ${at + 2}`]);
    }
  });

  test("a deletion that is covered by new numbers and hashes is found by the next checkpoint", () => {
    for (const at of positions) {
      const rewritten = chainOf(facts.filter((_fact, index) => index !== at));
      const findings = verify(rewritten);
      const next = Math.ceil((at + 1) / EVERY) * EVERY;
      expect(findings.length).toBeGreaterThan(0);
      expect(kindsAt(findings)[0]).toBe(next < LENGTH ? `FORKED ${next}` : `TRUNCATED ${LENGTH - 1}`);
    }
  });

  test("two records in each other's place are found, whether they kept their numbers or not", () => {
    for (const at of positions.slice(0, -1))
      for (const other of positions.slice(at + 1)) {
        const [a, b] = [recordAt(at), recordAt(other)];
        const moved = chain.map((record, index) => (index === at ? b : index === other ? a : record));
        expect(verify(moved).some(({ kind }) => kind === "OUT_OF_ORDER")).toBe(true);
        const renumbered = chain.map((record, index) =>
          index === at ? { ...b, seq: a.seq } : index === other ? { ...a, seq: b.seq } : record,
        );
        expect(kindsAt(verify(renumbered))).toContain(`ALTERED ${at + 1}`);
      }
  });

  test("a truncation up to there is found as long as a checkpoint tells of more", () => {
    for (const length of [0, ...positions.slice(0, -1).map((at) => at + 1)]) {
      expect(kindsAt(verify(chain.slice(0, length)))).toEqual([`TRUNCATED ${length}`]);
    }
  });

  test("a truncation after the last checkpoint is found when the writer is known to have written more", () => {
    const verifier = new ChainVerifier(WHOLE_CHAIN, checkpoints.slice(0, 5));
    for (const record of chain.slice(0, 21)) verifier.add(record);
    verifier.end(BigInt(LENGTH));
    expect(kindsAt(verifier.findings)).toEqual(["TRUNCATED 21"]);
  });

  test("a history that was forked there, with fresh hashes, is found by every checkpoint after it", () => {
    for (const at of positions) {
      const forked = chainOf(facts.map((fact, index) => (index === at ? { ...fact, account: "mallory" } : fact)));
      const expected = checkpoints.filter(({ size }) => size > BigInt(at)).map(({ size }) => `FORKED ${size}`);
      expect(kindsAt(verify(forked))).toEqual(expected);
      // Without checkpoints nobody could tell: that is what they are for.
      expect(verify(forked, [])).toEqual([]);
    }
  });

  test("a copy that was put in is found", () => {
    for (const at of positions) {
      const copied = [...chain.slice(0, at + 1), recordAt(at), ...chain.slice(at + 1)];
      expect(kindsAt(verify(copied))).toEqual([`OUT_OF_ORDER ${at + 1}`]);
    }
  });

  test("a chain that was pruned there verifies from its base, and only from that one", () => {
    for (const at of positions) {
      const base = recordAt(at);
      expect(verify(chain.slice(at + 1), checkpoints, base)).toEqual([]);
      const forged = { seq: base.seq, hash: Buffer.alloc(32, 9) };
      expect(verify(chain.slice(at + 1), checkpoints, forged).length).toBeGreaterThan(0);
    }
  });
});

test("two checkpoints of one size that differ are a fork, whichever the chain agrees with", () => {
  const other = checkpointsOf(chainOf(facts.map((fact) => ({ ...fact, actor: "x" }))), EVERY);
  expect(kindsAt(verify(chain, [...checkpoints, ...other.slice(1, 2)]))).toEqual(["FORKED 8"]);
});

test("no sequence of tamperings leaves a chain with a checkpoint at its end unsuspected, unless it changes nothing", () => {
  type Step = (records: StoredRecord[], at: number, to: number) => void;
  const steps: Step[] = [
    (records, at) => void records.splice(at, 1),
    (records, at, to) => void records.splice(to, 0, ...records.splice(at, 1)),
    (records, at, to) => void records.splice(to, 0, ...records.slice(at, at + 1)),
    (records, at, to) => {
      const [from, onto] = [records[at], records[to]];
      if (from !== undefined && onto !== undefined) records[to] = { ...onto, details: from.details };
    },
    (records, at, to) => {
      const [from, onto] = [records[at], records[to]];
      if (from !== undefined && onto !== undefined) records[to] = { ...from, seq: onto.seq };
    },
    (records, at) => void records.splice(at),
    // The whole rest is hashed afresh, as somebody with the database in their hands would.
    (records, at) => void records.splice(at, records.length, ...chainOf(records.slice(at), records[at - 1])),
  ];
  const step = fc.tuple(fc.nat(steps.length - 1), fc.nat(LENGTH - 1), fc.nat(LENGTH - 1));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (taken) => {
      const records = [...chain];
      for (const [which, at, to] of taken) steps[which]?.(records, at, to);
      const isSame =
        records.length === chain.length &&
        records.every((record, index) => {
          const original = recordAt(index);
          return JSON.stringify(shown(record)) === JSON.stringify(shown(original));
        });
      expect(verify(records).length === 0).toBe(isSame);
    }),
    { numRuns: 2_000 },
  );
});

function shown({ seq, hash, ...facts }: StoredRecord) {
  return { ...facts, seq: seq.toString(), hash: Buffer.from(hash).toString("hex") };
}
