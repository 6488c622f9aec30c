import { type ChainBase, WHOLE_CHAIN } from "../../audit/verify.ts";
import type { Connection } from "./open-database.ts";

/** Where the chain begins: after the last record that was pruned. */
export function readBase(db: Connection): ChainBase {
  const row = db.prepare("SELECT base_seq AS seq, base_hash AS hash FROM audit_state").get() as
    | { seq: bigint; hash: Uint8Array }
    | undefined;
  return row ?? WHOLE_CHAIN;
}
