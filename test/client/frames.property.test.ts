import fc from "fast-check";
import { expect, test } from "vitest";
import {
  encodeFrame,
  hasFrameBeyond,
  PAYLOAD_MAX_BYTES,
  readSegment,
  SEGMENT_HEAD,
} from "../../src/client/spool/frames.ts";

const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 12 });

function segmentOf(records: readonly Uint8Array[]): Buffer {
  return Buffer.concat([SEGMENT_HEAD, ...records.map(encodeFrame)]);
}

function read(bytes: Buffer): number[][] {
  return readSegment(bytes).map(({ payload }) => [...payload]);
}

test("whatever is written is read back", () => {
  fc.assert(
    fc.property(payloads, (records) => {
      expect(read(segmentOf(records))).toEqual(records.map((each) => [...each]));
    }),
  );
});

test("cut at any byte, a segment keeps exactly the records that are whole before the cut, in order", () => {
  fc.assert(
    fc.property(payloads, fc.nat(), (records, at) => {
      const whole = segmentOf(records);
      const cut = at % (whole.length + 1);
      let end = SEGMENT_HEAD.length;
      const kept = records.filter((record) => {
        end += 8 + record.length;
        return end <= cut;
      });
      const left = whole.subarray(0, cut);
      expect(read(left)).toEqual(kept.map((each) => [...each]));
      const goodBytes = readSegment(left).at(-1)?.endBytes ?? SEGMENT_HEAD.length;
      expect(hasFrameBeyond(left, goodBytes)).toBe(false);
    }),
    { numRuns: 500 },
  );
});

test("one changed byte anywhere behind the head costs its own record and never invents one; what follows is seen", () => {
  fc.assert(
    fc.property(
      payloads.filter(({ length }) => length > 0),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (records, at, change) => {
        const damaged = segmentOf(records);
        const where = SEGMENT_HEAD.length + (at % (damaged.length - SEGMENT_HEAD.length));
        damaged[where] = (damaged[where] ?? 0) ^ change;
        const kept = read(damaged);
        expect(kept).toEqual(records.slice(0, kept.length).map((each) => [...each]));
        expect(kept.length).toBeLessThan(records.length);
        const goodBytes = readSegment(damaged).at(-1)?.endBytes ?? SEGMENT_HEAD.length;
        expect(hasFrameBeyond(damaged, goodBytes + 1)).toBe(kept.length < records.length - 1);
      },
    ),
  );
});

test("garbage and zeros behind the last record are no records", () => {
  fc.assert(
    fc.property(payloads, fc.nat({ max: 200 }), (records, zeros) => {
      const bytes = Buffer.concat([segmentOf(records), Buffer.alloc(zeros)]);
      expect(read(bytes)).toHaveLength(records.length);
    }),
  );
});

test("a file of another format is refused, an empty one and a torn head hold nothing", () => {
  expect(() => readSegment(Buffer.from("SQLite format 3"))).toThrow("no spool");
  for (let length = 0; length < SEGMENT_HEAD.length; length += 1)
    expect(read(SEGMENT_HEAD.subarray(0, length))).toEqual([]);
});

test("no payload is empty or larger than the bound", () => {
  expect(() => encodeFrame(Buffer.alloc(0))).toThrow(RangeError);
  expect(() => encodeFrame(Buffer.alloc(PAYLOAD_MAX_BYTES + 1))).toThrow(RangeError);
  expect(read(Buffer.concat([SEGMENT_HEAD, encodeFrame(Buffer.alloc(PAYLOAD_MAX_BYTES, 7))]))).toHaveLength(1);
});
