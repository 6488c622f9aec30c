import type { Stage } from "./stage.ts";

/** One measured number beside its baseline, as `--json` writes it. */
export interface Line {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly baseline: number;
  readonly ratio: number;
  readonly conditions: string;
}

/** What a run was asked for. */
export interface BenchOptions {
  /** Fewer accounts, shorter loads. */
  readonly quick: boolean;
  /** Writes processor profiles of the service into the current directory. */
  readonly profile: boolean;
  /** How many keys the large database of `scale` holds. */
  readonly keys: number;
  /** How many charges the large ledger of `ledger-scale` holds. */
  readonly charges: number;
}

/** What a subject measures with. */
export interface Bench {
  readonly options: BenchOptions;
  /** Reports a number beside its baseline, which was measured in the same run on the same machine. */
  report(name: string, value: number, unit: string, baseline: number, conditions: string): void;
  /** The service with its hot accounts, which most subjects share: opened when the first one asks. */
  stage(): Promise<Stage>;
}

/** Something that is measured: one or a few lines. */
export interface Subject {
  /** For `--only`. */
  readonly name: string;
  /** For `--help`. */
  readonly about: string;
  /** Whether a run that names nothing measures it: not when it takes minutes. */
  readonly byDefault: boolean;
  run(bench: Bench): Promise<void>;
}

/** A number for people. */
export function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(3);
}

/** A line for people. */
export function formatLine({ name, value, unit, baseline, ratio, conditions }: Line): string {
  return `${name.padEnd(44)} ${format(value).padStart(9)} ${unit.padEnd(10)} baseline ${format(baseline).padStart(9)}   ratio ${ratio.toFixed(3)}   ${conditions}`;
}
