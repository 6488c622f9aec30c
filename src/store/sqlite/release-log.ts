import type { AuditEvent } from "../../audit/event.ts";
import type { Log } from "../../base/log.ts";
import type { ReleaseLog } from "../../router/ports.ts";
import type { KeyUses } from "./key-uses.ts";
import type { Writer } from "./writer.ts";

/** Denials that may wait to be written; a flood of them beyond that is counted in the log, not kept. */
const DENIALS_WAITING_MAX = 1_000;

/** Records that a call was refused, without making anybody wait. */
export type DenialLog = (event: AuditEvent) => void;

/** Denials in the audit. At most a bounded number waits: a caller without rights must not be able to fill our memory. */
export function createDenialLog(writer: Writer, log: Log): DenialLog {
  let waiting = 0;
  let dropped = 0;
  return (event) => {
    if (waiting >= DENIALS_WAITING_MAX) {
      dropped += 1;
      return;
    }
    waiting += 1;
    writer
      .submit("appendAudit", [event])
      .catch((error: unknown) => log.warn("a denial was not recorded", { err: error }))
      .finally(() => {
        waiting -= 1;
        if (waiting > 0 || dropped === 0) return;
        log.warn("denials came faster than they could be recorded", { dropped });
        dropped = 0;
      });
  };
}

/** Releases of credentials in SQLite: route, hold and audit in one transaction. */
export function createReleaseLog(writer: Writer, uses: KeyUses, denied: DenialLog): ReleaseLog {
  return {
    async release(release) {
      const released = await writer.submit("release", release);
      uses.note({
        account: release.keyAccount,
        keyId: release.keyId,
        version: release.keyVersion,
        timeMs: release.timeMs,
      });
      return released;
    },
    denied({ timeMs, caller, account, agent, reason }) {
      denied({
        kind: "credential.denied",
        timeMs,
        caller,
        actor: "",
        account,
        subject: `accounts/${account}/agents/${agent}`,
        details: { reason },
      });
    },
  };
}
