import { create } from "@bufbuild/protobuf";
import { KeyState } from "../../gen/plori/keyvault/v1/keyvault_pb.ts";
import {
  AccountEventKind,
  type AccountEvent as AccountEventMessage,
  AccountEventSchema,
  CreditStandingSchema,
  KeyStateChangeSchema,
} from "../../gen/plori/ledger/v1/ledger_pb.ts";
import { type LedgerService, WatchAccountsResponseSchema } from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import { keyName } from "../../keyvault/ports.ts";
import type { AccountEvent, KeyEvent, StoredAccountEvent } from "../../ledger/account-event.ts";
import { type WatchAccountsDeps, watchAccounts } from "../../ledger/verbs/watch-accounts.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { creditsMessage } from "./credits-message.ts";
import { stateNumber } from "./key-message.ts";
import { toTimestamp } from "./times.ts";
import { providerNumber } from "./words.ts";

const EVENT_KIND_NUMBERS = {
  CREDITS_LOW: AccountEventKind.CREDITS_LOW,
  CREDITS_EXHAUSTED: AccountEventKind.CREDITS_EXHAUSTED,
  CREDITS_RESTORED: AccountEventKind.CREDITS_RESTORED,
  KEY_STATE_CHANGED: AccountEventKind.KEY_STATE_CHANGED,
} as const satisfies Record<AccountEvent["kind"], AccountEventKind>;

/** The ledger's stream of what happens to accounts. */
export function createWatchHandlers(
  deps: WatchAccountsDeps,
): Pick<ServiceHandlers<typeof LedgerService>, "watchAccounts"> {
  return {
    async *watchAccounts({ accounts, resumeToken }, { caller, signal }) {
      for await (const told of watchAccounts(deps, { accounts, resumeToken }, caller, signal)) {
        const { missed } = told;
        const events = told.events.map(eventMessage);
        yield create(WatchAccountsResponseSchema, { resumeToken: told.resumeToken, events, missed });
      }
    },
  };
}

function eventMessage(event: StoredAccountEvent): AccountEventMessage {
  const { account, kind, timeMs } = event;
  const what = { account, kind: EVENT_KIND_NUMBERS[kind], eventTime: toTimestamp(timeMs) };
  if (event.kind === "KEY_STATE_CHANGED")
    return create(AccountEventSchema, { ...what, keyState: keyStateMessage(event) });
  const credits = create(CreditStandingSchema, {
    available: creditsMessage(event.availableNano),
    held: creditsMessage(event.heldNano),
    overdraft: creditsMessage(event.overdraftNano),
  });
  return create(AccountEventSchema, { ...what, credits });
}

function keyStateMessage({
  account,
  keyId,
  provider,
  version,
  oldState,
  newState,
  stateReason,
  stateUntilMs,
}: KeyEvent) {
  return create(KeyStateChangeSchema, {
    key: keyName(account, keyId),
    provider: providerNumber(provider),
    version: BigInt(version),
    oldState: oldState === undefined ? KeyState.UNSPECIFIED : stateNumber(oldState),
    newState: newState === undefined ? KeyState.UNSPECIFIED : stateNumber(newState),
    stateReason,
    ...(stateUntilMs === undefined ? {} : { stateUntilTime: toTimestamp(stateUntilMs) }),
  });
}
