import { randomFillSync } from "node:crypto";
import type { Clock } from "./clock.ts";

const POOL_BYTES = 4096;
const ID_RANDOM_BYTES = 10;
const MAX_COUNTER = 0xfff;

/** Mints time-ordered ids: UUIDv7 (RFC 9562 §5.7), strictly increasing within one minter. */
export type MintId = () => string;

/**
 * A minter of UUIDv7 strings. Ids of one millisecond are told apart and ordered by a 12-bit counter in `rand_a`
 * (RFC 9562 §6.2, method 1) that starts low, so that a burst does not overflow; when it does, or when the wall clock
 * steps back, the minter borrows the next millisecond rather than give up order.
 */
export function createIdMinter(clock: Pick<Clock, "nowMs">): MintId {
  const pool = Buffer.alloc(POOL_BYTES);
  let poolOffset = POOL_BYTES;
  let lastMs = 0;
  let counter = 0;
  return () => {
    if (poolOffset + ID_RANDOM_BYTES > POOL_BYTES) {
      randomFillSync(pool);
      poolOffset = 0;
    }
    const nowMs = clock.nowMs();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = pool.readUInt8(poolOffset);
    } else if (counter < MAX_COUNTER) {
      counter += 1;
    } else {
      lastMs += 1;
      counter = 0;
    }
    const time = lastMs.toString(16).padStart(12, "0");
    const random = pool.toString("hex", poolOffset + 1, poolOffset + 9);
    const variant = (8 + ((pool[poolOffset + 9] ?? 0) & 3)).toString(16);
    poolOffset += ID_RANDOM_BYTES;
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, "0")}-${variant}${random.slice(0, 3)}-${random.slice(3, 15)}`;
  };
}
