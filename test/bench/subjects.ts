import { BATCH } from "./batch.ts";
import type { Subject } from "./bench.ts";
import { DECIDE } from "./decide.ts";
import { LEASES } from "./leases.ts";
import { LEDGER_SCALE } from "./ledger-scale.ts";
import { PAIR } from "./pair.ts";
import { RECORD } from "./record.ts";
import { RESOLVE } from "./resolve.ts";
import { SCALE } from "./scale.ts";

/** Everything that can be measured, in the order of a run. */
export const SUBJECTS: readonly Subject[] = [RESOLVE, PAIR, RECORD, BATCH, DECIDE, LEASES, SCALE, LEDGER_SCALE];
