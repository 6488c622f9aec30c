import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { writeModelLines } from "../../../src/router/catalogue/model-lines.ts";
import { CATALOGUE, createCatalogue, MODELS_FILE } from "../../../src/router/catalogue.ts";
import { describeProposal } from "./describe.ts";
import { readOffers } from "./offers.ts";
import { applyChanges, proposeUpdate } from "./propose.ts";

const USAGE = `Usage: npm run catalogue -- <models.dev's api.json> [--write] [--confirm]

Shows how the catalogue of models differs from what providers sell now: what is new, gone or changed, old → new.
  --write    writes the changes into src/router/catalogue/models.jsonl, for review; without it nothing is written
  --confirm  also those changes that look like slips, marked with !: price jumps, models that go, prices that end
Exit codes: 0, 1 when something must be confirmed, 2 for wrong arguments or files.`;

/** Proposes an update of the catalogue. Returns the exit code. */
function main(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { write: { type: "boolean", default: false }, confirm: { type: "boolean", default: false } },
    allowPositionals: true,
  });
  const [file, ...rest] = positionals;
  if (file === undefined || rest.length > 0) throw new Error(USAGE);
  const proposal = proposeUpdate(CATALOGUE, readOffers(JSON.parse(readFileSync(file, "utf8"))));
  process.stdout.write(describeProposal(proposal));
  const refused = values.confirm ? 0 : proposal.changes.filter(({ guards }) => guards.length > 0).length;
  if (values.write) {
    const models = applyChanges(CATALOGUE, proposal, values.confirm);
    // An id that names two models must not get into the file.
    createCatalogue(models);
    writeFileSync(MODELS_FILE, writeModelLines(models));
    console.log(`Written: ${models.length} models.${refused > 0 ? ` ${refused} changes were refused, see !` : ""}`);
    console.log("Tell the source and its date in src/router/catalogue/catalogue-model.ts.");
  }
  return refused > 0 ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
