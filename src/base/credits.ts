import { invariant } from "./errors.ts";

/** Nano-credits in one credit. The ledger keeps whole nano-credits. */
export const NANO_PER_CREDIT = 1_000_000_000n;
/** The largest amount that the ledger keeps, in nano-credits: a signed 64-bit integer. */
export const MAX_NANO = 2n ** 63n - 1n;

/** An amount as it stands in the API: google.type.Money without a currency. The signs of both agree. */
export interface CreditsParts {
  readonly units: bigint;
  readonly nanos: number;
}

/** Nano-credits as units and nanos with agreeing signs. */
export function toCredits(nano: bigint): CreditsParts {
  return { units: nano / NANO_PER_CREDIT, nanos: Number(nano % NANO_PER_CREDIT) };
}

/** Units and nanos as nano-credits; undefined when the signs disagree, nanos reach a whole credit, or the sum leaves 64 bits. */
export function fromCredits(parts: CreditsParts): bigint | undefined {
  const nanos = BigInt(parts.nanos);
  if (nanos <= -NANO_PER_CREDIT || nanos >= NANO_PER_CREDIT) return undefined;
  if ((parts.units > 0n && nanos < 0n) || (parts.units < 0n && nanos > 0n)) return undefined;
  const nano = parts.units * NANO_PER_CREDIT + nanos;
  return nano > MAX_NANO || nano < -MAX_NANO ? undefined : nano;
}

/** Nano-credits as decimal text with nine places, for people: "12.345678900". */
export function formatCredits(nano: bigint): string {
  const magnitude = nano < 0n ? -nano : nano;
  const fraction = (magnitude % NANO_PER_CREDIT).toString().padStart(9, "0");
  return `${nano < 0n ? "-" : ""}${magnitude / NANO_PER_CREDIT}.${fraction}`;
}

const DECIMAL = /^(\d{1,10})(?:\.(\d{1,9}))?$/;

/** Decimal text with up to nine places, such as "12.5", as nano-credits; undefined for anything else, and for what the ledger cannot hold. */
export function parseCredits(text: string): bigint | undefined {
  const [, units, places = ""] = DECIMAL.exec(text) ?? [];
  if (units === undefined) return undefined;
  const nano = BigInt(units + places.padEnd(9, "0"));
  return nano > MAX_NANO ? undefined : nano;
}

/** `numerator / denominator` rounded half to even. The denominator must be positive. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  invariant(denominator > 0n, "division by a denominator that is not positive");
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  let quotient = magnitude / denominator;
  const twiceRest = (magnitude % denominator) * 2n;
  if (twiceRest > denominator || (twiceRest === denominator && quotient % 2n === 1n)) quotient += 1n;
  return negative ? -quotient : quotient;
}
