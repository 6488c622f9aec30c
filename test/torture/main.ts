import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { runKillCycles } from "./kill-cycles.ts";

// npm run torture -- [--kills N] [--sequences N] [--seed S]: the long version of what npm test does briefly. The seed is printed; with it the same sequences
// run again (the moment of a kill is chance, whatever the seed).

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "1000" },
    sequences: { type: "string", default: "100000" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
  },
});
const kills = Number(values.kills);
const seed = Number(values.seed);
console.log(`torture: seed ${seed}, ${kills} kills, ${values.sequences} sequences`);

if (kills > 0) {
  const directory = temporaryDirectory();
  const started = Date.now();
  const figures = await runKillCycles({
    dataDir: directory.path,
    kills,
    seed,
    onKill(soFar) {
      if (soFar.kills % 25 !== 0) return;
      const seconds = Math.round((Date.now() - started) / 1000);
      console.log(`${soFar.kills} kills in ${seconds} s, ${soFar.acknowledged} records acknowledged and still there`);
    },
  });
  directory.remove();
  console.log(
    `${figures.kills} kills: ${figures.acknowledged} acknowledged records, 0 lost, 0 doubled, 0 overspent; ${figures.durableUnanswered} were durable without an answer, ${figures.goneUnanswered} were not`,
  );
}

if (Number(values.sequences) > 0) {
  const { status } = spawnSync(
    "vitest",
    ["run", "test/ledger/ledger.property.test.ts", "-t", "in memory", "--testTimeout", "86400000"],
    {
      stdio: "inherit",
      env: { ...process.env, PLORI_TEST_SEQUENCES: values.sequences, PLORI_TEST_SEED: String(seed) },
    },
  );
  process.exitCode = status ?? 1;
}
