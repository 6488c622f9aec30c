import { create } from "@bufbuild/protobuf";
import {
  type Key,
  KeyLimitsSchema,
  KeySchema,
  KeySource as KeySourceNumber,
  KeyState as KeyStateNumber,
  ModelLimitSchema,
} from "../../gen/plori/keyvault/v1/keyvault_pb.ts";
import { etagOf, type KeyRecord, type KeySource, type KeyState, keyName } from "../../keyvault/ports.ts";
import { toTimestamp } from "./times.ts";
import { providerNumber } from "./words.ts";

const SOURCE_NUMBERS = {
  PASTED: KeySourceNumber.PASTED,
  ONE_CLICK: KeySourceNumber.ONE_CLICK,
} as const satisfies Record<KeySource, KeySourceNumber>;

const STATE_NUMBERS = {
  ACTIVE: KeyStateNumber.ACTIVE,
  UNVERIFIED: KeyStateNumber.UNVERIFIED,
  RATE_LIMITED: KeyStateNumber.RATE_LIMITED,
  EXHAUSTED: KeyStateNumber.EXHAUSTED,
  BLOCKED: KeyStateNumber.BLOCKED,
  DEAD: KeyStateNumber.DEAD,
  UNREADABLE: KeyStateNumber.UNREADABLE,
} as const satisfies Record<KeyState, KeyStateNumber>;

/** The number of a key state. */
export function stateNumber(state: KeyState): KeyStateNumber {
  return STATE_NUMBERS[state];
}

/** A key as the API shows it: that it exists and how it is, never any part of it. */
export function keyMessage(record: KeyRecord): Key {
  const { limits } = record;
  return create(KeySchema, {
    name: keyName(record.account, record.keyId),
    provider: providerNumber(record.provider),
    source: SOURCE_NUMBERS[record.source],
    state: STATE_NUMBERS[record.state],
    stateReason: record.stateReason,
    version: BigInt(record.version),
    etag: etagOf(record),
    createTime: toTimestamp(record.createMs),
    hosts: [...(record.hosts ?? [])],
    modelLimits: Object.entries(record.modelLimits ?? {}).map(([model, untilMs]) =>
      create(ModelLimitSchema, { model, untilTime: toTimestamp(untilMs) }),
    ),
    ...(record.stateUntilMs === undefined ? {} : { stateUntilTime: toTimestamp(record.stateUntilMs) }),
    ...(record.verifyMs === undefined ? {} : { verifyTime: toTimestamp(record.verifyMs) }),
    ...(record.lastUsedMs === undefined ? {} : { lastUsedTime: toTimestamp(record.lastUsedMs) }),
    ...(limits === undefined
      ? {}
      : {
          limits: create(KeyLimitsSchema, {
            ...(limits.limitUsdNano === undefined ? {} : { limitUsdNanos: limits.limitUsdNano }),
            ...(limits.remainingUsdNano === undefined ? {} : { remainingUsdNanos: limits.remainingUsdNano }),
            ...(limits.expireMs === undefined ? {} : { expireTime: toTimestamp(limits.expireMs) }),
          }),
        }),
  });
}
