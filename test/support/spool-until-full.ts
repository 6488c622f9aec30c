import { HostError } from "../../src/client/host-error.ts";
import { silentHostLog } from "../../src/client/log.ts";
import { Spool } from "../../src/client/spool/spool.ts";

const RECORDS = 400;
const WIDTH = 7;
const LIMITS = { recordsMax: 1_000_000, bytesMax: 1_000_000_000, segmentMaxBytes: 1_000_000_000 };

/**
 * Appends records, some at a time, and prints which of them were kept and why the others were refused, in order. Ends as after a crash: nothing is closed,
 * nothing tidied up.
 */
async function main(): Promise<void> {
  const spool = await Spool.open(process.argv[2] ?? "", LIMITS, silentHostLog);
  const kept: string[] = [];
  const refused: string[] = [];
  for (let first = 0; first < RECORDS; first += WIDTH) {
    const texts = Array.from({ length: WIDTH }, (_, index) => `${first + index} ${"x".repeat(50 + index * 40)}`);
    const results = await Promise.allSettled(texts.map((text) => spool.append(Buffer.from(text))));
    for (const [index, result] of results.entries()) {
      if (result.status === "fulfilled") kept.push(texts[index] ?? "");
      else refused.push(result.reason instanceof HostError ? result.reason.reason : String(result.reason));
    }
  }
  console.log(JSON.stringify({ kept, refused }));
}

if (import.meta.main) await main();
