import { parseArgs } from "node:util";
import type { BenchOptions, Subject } from "./bench.ts";

const KEYS_DEFAULT = 1_000_000;
const KEYS_QUICK = 100_000;
const KEYS_MAX = 10_000_000;
const CHARGES_DEFAULT = 10_000_000;
const CHARGES_QUICK = 200_000;
const CHARGES_MAX = 100_000_000;

/** What the command line asks for. */
export interface Asked extends BenchOptions {
  readonly help: boolean;
  readonly subjects: readonly Subject[];
  readonly jsonFile: string | undefined;
}

/** Reads the arguments. Throws with a sentence for people when one of them cannot be. */
export function readArguments(argv: readonly string[], all: readonly Subject[]): Asked {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      profile: { type: "boolean", default: false },
      only: { type: "string", multiple: true },
      json: { type: "string" },
      keys: { type: "string" },
      charges: { type: "string" },
    },
  });
  const { help, quick, profile, only } = values;
  const unknown = only?.find((name) => all.every((subject) => subject.name !== name));
  if (unknown !== undefined) {
    throw new Error(`There is nothing called ${unknown}: --only takes ${all.map(({ name }) => name).join(", ")}.`);
  }
  const keys = countOf("keys", values.keys, quick ? KEYS_QUICK : KEYS_DEFAULT, KEYS_MAX);
  const charges = countOf("charges", values.charges, quick ? CHARGES_QUICK : CHARGES_DEFAULT, CHARGES_MAX);
  const subjects = all.filter(({ name, byDefault }) => (only === undefined ? byDefault : only.includes(name)));
  return { help, quick, profile, keys, charges, subjects, jsonFile: values.json };
}

function countOf(name: string, text: string | undefined, otherwise: number, max: number): number {
  const count = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(count) || count < 1 || count > max)
    throw new Error(`--${name} must be a whole number from 1 to ${max}.`);
  return count;
}

/** What `--help` prints. */
export function helpText(all: readonly Subject[]): string {
  return [
    "npm run bench -- [--only NAME]... [--quick] [--json FILE] [--profile] [--keys COUNT] [--charges COUNT]",
    "",
    ...all.map(
      ({ name, about, byDefault }) => `  ${name.padEnd(12)} ${about}${byDefault ? "" : " Only when it is named."}`,
    ),
    "",
    "  --quick    fewer accounts and shorter loads: to see that it runs, not for numbers",
    "  --json     also writes the lines as an array of {name, value, unit, baseline, ratio, conditions}",
    "  --profile  writes processor profiles of the service into the current directory",
    `  --keys     how many keys the large database of scale holds: ${KEYS_DEFAULT} unless told otherwise (quick: ${KEYS_QUICK})`,
    `  --charges  how many charges the large ledger of ledger-scale holds: ${CHARGES_DEFAULT} unless told otherwise (quick: ${CHARGES_QUICK})`,
  ].join("\n");
}
