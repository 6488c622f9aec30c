import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const TEST = join(import.meta.dirname, "..");

/** Every bad day that the ledger must come through, and the tests that prove that it does: a file and how a title in it begins. */
const MATRIX: readonly (readonly [day: string, proofs: readonly (readonly [file: string, title: string])[]])[] = [
  [
    "killed in the middle of a batch",
    [
      ["e2e/kill.test.ts", "killed under load, the service loses nothing"],
      ["e2e/durability.test.ts", "under load, five times over: every acknowledged record is there exactly once"],
    ],
  ],
  [
    "power loss",
    [
      ["store/sqlite/open-database.test.ts", "a reopened database writes with synchronous=FULL, which is read back"],
      ["ledger/faults/durability.test.ts", "what lies in the database's files at the moment of an acknowledgement"],
      ["ledger/faults/durability.test.ts", "every acknowledged commit was flushed to the disk before"],
    ],
  ],
  [
    "full disk",
    [
      ["e2e/failing-disk.test.ts", "whatever writes is refused as STORAGE_FULL with a wait"],
      ["store/sqlite/run-batch.test.ts", "a full disk refuses with STORAGE_FULL, keeps what was acknowledged"],
      ["store/sqlite/run-batch.test.ts", "a disk that fills up within a command refuses the whole batch after one try"],
      ["store/sqlite/recover-room.test.ts", "on a full disk the ballast goes first, then the log is cut"],
    ],
  ],
  [
    "a disk that fails",
    [
      ["e2e/failing-disk.test.ts", "a disk that fails to write ends the process with 1"],
      [
        "store/sqlite/run-batch.test.ts",
        "after %s, at the commit or within a command, nothing of the batch is acknowledged",
      ],
    ],
  ],
  ["a flood of duplicates", [["ledger/flood.test.ts", "twenty clients that send the same records at once"]]],
  [
    "ids in conflict",
    [
      ["ledger/flood.test.ts", "twenty clients that send the same records at once"],
      ["ledger/record-usage.test.ts", "the same usage id with another payload is a conflict that names what differs"],
    ],
  ],
  [
    "a commit whose answer is lost",
    [
      ["e2e/cut-connections.test.ts", "leaves its record there, and the same record again is REPLAYED"],
      ["e2e/cut-connections.test.ts", "leaves its hold there, and the same call again gets that one hold"],
    ],
  ],
  [
    "a thousand writers on one account",
    [["ledger/faults/concurrency.test.ts", "a thousand writers on one account whose credits run out"]],
  ],
  [
    "a sweep beside a late report",
    [["ledger/faults/concurrency.test.ts", "sweep, late report, release and a second report of one call"]],
  ],
  ["a clock that jumps", [["ledger/faults/time.test.ts", "a clock that jumps an hour ahead and back again"]]],
  [
    "nonsense in any field",
    [
      [
        "ledger/faults/bad-values.test.ts",
        "a record with any field broken in any way is rejected by that field's name",
      ],
      ["ledger/faults/bad-values.test.ts", "a price with a bad %s is refused and publishes nothing"],
      ["e2e/bad-input.test.ts", "in a batch of usage the wrong records alone are rejected"],
    ],
  ],
  [
    "events late and out of order",
    [
      ["ledger/faults/time.test.ts", "events of 35 days that arrive in any order come to the same totals"],
      ["ledger/partition.property.test.ts", "however records are split into batches"],
    ],
  ],
  [
    "a crash between route and report",
    [
      [
        "ledger/faults/time.test.ts",
        "a process that died between a route and its report leaves a hold that ends on time",
      ],
    ],
  ],
  [
    "a caller that leaves in the middle of a call",
    [
      ["e2e/cut-connections.test.ts", "a caller that resets its stream in the middle of a call"],
      [
        "e2e/cut-connections.test.ts",
        "a host that left after it had asked for a route has a hold that its retry finds",
      ],
    ],
  ],
  [
    "a price change in the middle of a call",
    [["ledger/faults/time.test.ts", "a price that is published between a route and its report"]],
  ],
  [
    "a grant that ends in the middle of a call",
    [["ledger/faults/time.test.ts", "a grant that ends while its call runs still pays"]],
  ],
  [
    "a log that grows under a long reader",
    [["ledger/faults/load.test.ts", "somebody who reads one moment's state for long"]],
  ],
  [
    "two processes on one file",
    [
      ["e2e/durability.test.ts", "a second one on the same data directory refuses"],
      ["store/sqlite/open-database.test.ts", "a second process is refused, and a killed one leaves no lock behind"],
    ],
  ],
  [
    "a row that was changed behind the service's back",
    [["ledger/verify-ledger.test.ts", "every edited column of a charge is found, and the charge is named"]],
  ],
  ["overload", [["ledger/faults/load.test.ts", "ten times as many writes as may wait"]]],
  [
    "a backup during traffic, and an upgrade",
    [
      ["ledger/faults/durability.test.ts", "a backup that is taken while records arrive"],
      ["store/sqlite/ledger-migration.test.ts", "an older database keeps every row"],
      ["ledger/faults/durability.test.ts", "in the middle of traffic an older version takes over from a newer one"],
    ],
  ],
];

test.each(MATRIX)("%s is proven by tests that exist", (_day, proofs) => {
  for (const [file, title] of proofs) expect(readFileSync(join(TEST, file), "utf8")).toContain(title);
});
