import type { KeyState } from "../../keyvault/ports.ts";
import type { AccountEvent, CreditEvent, StoredAccountEvent } from "../../ledger/account-event.ts";
import type { StoredValue } from "../../ledger/charge-digest.ts";
import { toProvider } from "./rows.ts";

/** An event's columns but its number. */
export const ACCOUNT_EVENT_COLUMNS =
  "time_ms, account, kind, available_nano, held_nano, overdraft_nano, key_id, provider, key_version, old_state, new_state, state_reason, state_until_ms";

/** An event's columns after its time, in the order of `ACCOUNT_EVENT_COLUMNS`. */
export function accountEventValues(event: AccountEvent): readonly StoredValue[] {
  const { account, kind } = event;
  if (event.kind !== "KEY_STATE_CHANGED") {
    const { availableNano, heldNano, overdraftNano } = event;
    return [account, kind, availableNano, heldNano, overdraftNano, null, null, null, null, null, null, null];
  }
  const { keyId, provider, version, oldState, newState, stateReason, stateUntilMs } = event;
  const states = [oldState ?? null, newState ?? null, stateReason, stateUntilMs ?? null];
  return [account, kind, null, null, null, keyId, provider, version, ...states];
}

/** An event as SQLite gives it. */
export interface StoredEventRow {
  readonly seq: bigint;
  readonly time_ms: bigint;
  readonly account: string;
  readonly kind: AccountEvent["kind"];
  readonly available_nano: bigint | null;
  readonly held_nano: bigint | null;
  readonly overdraft_nano: bigint | null;
  readonly key_id: string | null;
  readonly provider: string | null;
  readonly key_version: bigint | null;
  readonly old_state: string | null;
  readonly new_state: string | null;
  readonly state_reason: string | null;
  readonly state_until_ms: bigint | null;
}

/** An event from its row. */
export function toAccountEvent(row: StoredEventRow): StoredAccountEvent {
  const place = { seq: row.seq, timeMs: Number(row.time_ms) };
  if (row.kind !== "KEY_STATE_CHANGED") {
    return {
      ...place,
      kind: row.kind,
      account: row.account,
      availableNano: row.available_nano ?? 0n,
      heldNano: row.held_nano ?? 0n,
      overdraftNano: row.overdraft_nano ?? 0n,
    } satisfies CreditEvent & typeof place;
  }
  return {
    ...place,
    kind: row.kind,
    account: row.account,
    keyId: row.key_id ?? "",
    provider: toProvider(row.provider ?? ""),
    version: Number(row.key_version ?? 0n),
    oldState: (row.old_state ?? undefined) as KeyState | undefined,
    newState: (row.new_state ?? undefined) as KeyState | undefined,
    stateReason: row.state_reason ?? "",
    stateUntilMs: row.state_until_ms === null ? undefined : Number(row.state_until_ms),
  };
}
