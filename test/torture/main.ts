import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { runKillCycles } from "./kill-cycles.ts";

// npm run torture -- [--kills N] [--sequences N] [--seed S] [--from-kill N] [--from-sequence N]: the long version of what npm test does briefly. The seed is
// printed; with it the same sequences run again (what is under way at the moment of a kill is chance, whatever the seed). What was interrupted goes on where the
// last line says.

/** Sequences that are run by one process, from a seed of their own. */
const PART = 5_000;
/** One in so many sequences runs on a real SQLite file, too. */
const SQLITE_EVERY = 100;
const SAY_EVERY_KILLS = 25;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    sequences: { type: "string", default: "100000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    "from-kill": { type: "string", default: "0" },
    "from-sequence": { type: "string", default: "0" },
  },
});
const kills = Number(values.kills);
const sequences = Number(values.sequences);
const seed = Number(values.seed);
const fromKill = Number(values["from-kill"]);
const fromSequence = Number(values["from-sequence"]);
const goOn = (kill: number, sequence: number): string =>
  `go on with --seed ${seed} --kills ${kills} --sequences ${sequences} --from-kill ${kill} --from-sequence ${sequence}`;
console.log(`torture: seed ${seed}, ${kills} kills, ${sequences} sequences`);

async function kill(): Promise<string> {
  const directory = temporaryDirectory();
  const started = Date.now();
  try {
    const figures = await runKillCycles({
      dataDir: directory.path,
      kills: kills - fromKill,
      seed,
      fromKill,
      onKill(soFar) {
        if (soFar.kills % SAY_EVERY_KILLS !== 0) return;
        const seconds = Math.round((Date.now() - started) / 1000);
        console.log(
          `${soFar.kills} kills in ${seconds} s, ${soFar.acknowledged} records acknowledged and still there; ${goOn(fromKill + soFar.kills, fromSequence)}`,
        );
      },
    });
    directory.remove();
    return `${figures.kills} kills: ${figures.acknowledged} acknowledged records, 0 lost, 0 doubled, 0 overspent; ${figures.durableUnanswered} were durable without an answer, ${figures.goneUnanswered} were not; ${figures.refusedForCredits} times an account ran out of credits`;
  } catch (error) {
    console.error(`the database is kept for a look: ${directory.path}`);
    throw error;
  }
}

/** Runs sequences in a process of their own. Returns its exit code. */
function runSequences(title: string, count: number, itsSeed: number): number {
  const { status } = spawnSync(
    "vitest",
    ["run", "test/ledger/ledger.property.test.ts", "-t", title, "--testTimeout", "86400000", "--reporter", "dot"],
    {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, PLORI_TEST_SEQUENCES: String(count), PLORI_TEST_SEED: String(itsSeed) },
    },
  );
  return status ?? 1;
}

function sequence(): string {
  const started = Date.now();
  let onSqlite = 0;
  for (let at = fromSequence; at < sequences; at += PART) {
    const count = Math.min(PART, sequences - at);
    const stored = Math.ceil(count / SQLITE_EVERY);
    for (const [title, many] of [
      ["in memory", count],
      ["on SQLite", stored],
    ] as const) {
      if (runSequences(title, many, seed + at) === 0) continue;
      throw new Error(
        `a sequence ${title} failed: PLORI_TEST_SEQUENCES=${many} PLORI_TEST_SEED=${seed + at} npx vitest run test/ledger/ledger.property.test.ts -t "${title}"`,
      );
    }
    onSqlite += stored;
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(`${at + count} sequences in ${seconds} s; ${goOn(kills, at + count)}`);
  }
  return `${sequences - fromSequence} sequences beside the model, ${onSqlite} of them on SQLite too: every answer, balance and digest equal, every invariant held after every step`;
}

const told = [kills > fromKill ? await kill() : "", sequences > fromSequence ? sequence() : ""];
console.log(`torture, seed ${seed}: all well`);
for (const line of told) if (line !== "") console.log(line);
