import { create } from "@bufbuild/protobuf";
import { type Hold, HoldSchema, HoldState } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import {
  ExtendHoldResponseSchema,
  GetChargeResponseSchema,
  LedgerDifferenceSchema,
  type LedgerService,
  ListGrantsResponseSchema,
  ReleaseHoldResponseSchema,
  ReverseChargeResponseSchema,
  VerifyLedgerResponseSchema,
  VoidGrantResponseSchema,
} from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import { holdName } from "../../ledger/find-authority.ts";
import { chargeName, type LedgerStore } from "../../ledger/ports.ts";
import type { HoldRow } from "../../ledger/rows.ts";
import { type CorrectionDeps, reverseCharge, voidGrant } from "../../ledger/verbs/corrections.ts";
import { extendHold, type HoldDeps, releaseHold } from "../../ledger/verbs/holds.ts";
import { getCharge, listGrants } from "../../ledger/verbs/list-grants.ts";
import { verifyLedger } from "../../ledger/verbs/verify-ledger.ts";
import type { ServiceHandlers } from "../handlers.ts";
import { chargeMessage } from "./charge-message.ts";
import { creditsMessage } from "./credits-message.ts";
import { grantMessage } from "./grant-message.ts";
import { toTimestamp } from "./times.ts";
import { readTokens } from "./usage-record-message.ts";

type Deps = HoldDeps & CorrectionDeps & { readonly ledger: LedgerStore };
type Handled =
  | "extendHold"
  | "releaseHold"
  | "voidGrant"
  | "reverseCharge"
  | "listGrants"
  | "getCharge"
  | "verifyLedger";

const STATE_NUMBERS = {
  OPEN: HoldState.OPEN,
  CAPTURED: HoldState.CAPTURED,
  RELEASED: HoldState.RELEASED,
  EXPIRED: HoldState.EXPIRED,
} as const satisfies Record<HoldRow["state"], HoldState>;

/** The ledger's RPCs that change or undo what was decided before, and those that look at it. */
export function createCorrectionHandlers(deps: Deps): Pick<ServiceHandlers<typeof LedgerService>, Handled> {
  return {
    async extendHold({ account, hold, usedSoFar, requestId, actor }, { caller }) {
      const used = usedSoFar === undefined ? undefined : readTokens(usedSoFar);
      const extended = await extendHold(deps, { account, hold, usedSoFar: used, requestId, actor }, caller);
      return create(ExtendHoldResponseSchema, { hold: holdMessage(extended) });
    },
    async releaseHold({ account, hold, requestId, actor }, { caller }) {
      const released = await releaseHold(deps, { account, hold, requestId, actor }, caller);
      return create(ReleaseHoldResponseSchema, { hold: holdMessage(released) });
    },
    async voidGrant({ name, requestId, actor }, { caller }) {
      const grant = await voidGrant(deps, { name, requestId, actor }, caller);
      return create(VoidGrantResponseSchema, { grant: grantMessage(grant) });
    },
    async reverseCharge({ name, requestId, actor }, { caller }) {
      const charge = await reverseCharge(deps, { name, requestId, actor }, caller);
      return create(ReverseChargeResponseSchema, { charge: chargeMessage(charge) });
    },
    async listGrants({ account, pageSize, pageToken }) {
      const page = await listGrants(deps.ledger, { account, pageSize, pageToken });
      const grants = page.grants.map(grantMessage);
      return create(ListGrantsResponseSchema, { grants, nextPageToken: page.nextPageToken });
    },
    async *verifyLedger({ account, afterAccount }, { signal }) {
      let accounts = 0n;
      let rows = 0n;
      let last = afterAccount;
      for await (const verified of verifyLedger(deps.ledger, { account, afterAccount }, signal)) {
        if (verified.account !== "") accounts += 1n;
        rows += BigInt(verified.rows);
        last = verified.account === "" ? last : verified.account;
        const differences = verified.differences.map((difference) => create(LedgerDifferenceSchema, difference));
        const soFar = { account: last, accountsVerified: accounts, rowsVerified: rows, differences };
        yield create(VerifyLedgerResponseSchema, soFar);
      }
      yield create(VerifyLedgerResponseSchema, {
        account: last,
        accountsVerified: accounts,
        rowsVerified: rows,
        done: true,
      });
    },
    async getCharge({ name }) {
      const { charge, reversedBy } = await getCharge(deps.ledger, name);
      return create(GetChargeResponseSchema, {
        charge: chargeMessage(charge),
        reversal: reversedBy === undefined ? "" : chargeName({ account: charge.account, sequence: reversedBy }),
      });
    },
  };
}

function holdMessage(hold: HoldRow): Hold {
  return create(HoldSchema, {
    name: holdName(hold.account, hold.holdId),
    amount: creditsMessage(hold.amountNano),
    expireTime: toTimestamp(hold.expireMs),
    state: STATE_NUMBERS[hold.state],
    callId: hold.callId,
  });
}
