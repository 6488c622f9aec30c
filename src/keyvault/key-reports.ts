import type { Clock } from "../base/clock.ts";
import { PloriError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { recordAt, type StateCause } from "./change-state.ts";
import type { KeyKeeper } from "./key-keeper.ts";
import type { KeyEvent } from "./next-state.ts";
import type { KeyRecord, KeyRef } from "./ports.ts";

/** What agent hosts tell about keys: what the router knows as its `KeyReports`. */
type ReportEvent = Extract<KeyEvent, { kind: `reported-${string}` }>;

/** Who reported, and facts for the audit. */
type ReportCause = Pick<StateCause, "caller" | "details">;

/** The keeper as reports may use it: they change states by reports' own events alone, and get the record as it is now. */
export function createKeyReports({
  keeper,
  clock,
  log,
}: {
  readonly keeper: KeyKeeper;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: Pick<Log, "warn">;
}) {
  const seen = (record: KeyRecord | undefined): KeyRecord | undefined =>
    record === undefined ? undefined : recordAt(record, clock.nowMs());
  const whole = (cause: ReportCause): StateCause => ({ ...cause, actor: "", auditAlways: false });
  return {
    async find(ref: KeyRef) {
      return seen(await keeper.find(ref));
    },
    async note(ref: KeyRef, event: ReportEvent, cause: ReportCause) {
      return seen(await keeper.note(ref, event, whole(cause)));
    },
    async probe(ref: KeyRef, cause: ReportCause) {
      try {
        return seen(await keeper.probe(ref, whole(cause), { for: "SERVICE" }));
      } catch (error) {
        // Probes that are used up, or a KMS that is away, are no reason to refuse a report.
        if (!(error instanceof PloriError)) throw error;
        if (error.reason !== "RATE_LIMITED") log.warn("a reported key was not probed", { reason: error.reason });
        return "not-probed" as const;
      }
    },
  };
}
