import { create } from "@bufbuild/protobuf";
import { GrantCategory as CategoryNumber, type Grant, GrantSchema } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import { grantName } from "../../ledger/ports.ts";
import type { GrantRow } from "../../ledger/rows.ts";
import { creditsMessage } from "./credits-message.ts";
import { toTimestamp } from "./times.ts";

/** A grant as the API shows it. */
export function grantMessage(grant: GrantRow): Grant {
  return create(GrantSchema, {
    name: grantName(grant),
    amount: creditsMessage(grant.amountNano),
    remaining: creditsMessage(grant.remainingNano),
    priority: grant.priority,
    category: grant.category === "PAID" ? CategoryNumber.PAID : CategoryNumber.PROMOTIONAL,
    effectiveTime: toTimestamp(grant.effectiveMs),
    createTime: toTimestamp(grant.createMs),
    ...(grant.expireMs === undefined ? {} : { expireTime: toTimestamp(grant.expireMs) }),
    ...(grant.voidMs === undefined ? {} : { voidTime: toTimestamp(grant.voidMs) }),
  });
}
