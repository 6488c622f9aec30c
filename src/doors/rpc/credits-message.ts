import { fromCredits, toCredits } from "../../base/credits.ts";
import type { Credits } from "../../gen/plori/type/v1/type_pb.ts";

/** Nano-credits as the API's amount. */
export function creditsMessage(nano: bigint): Credits {
  const { units, nanos } = toCredits(nano);
  return { $typeName: "plori.type.v1.Credits", units, nanos };
}

/** As `readCredits`, but absent being undefined, since the operator's setting then holds. */
export function readOptionalCredits(credits: Credits | undefined): bigint | undefined | "unholdable" {
  return credits && (fromCredits(credits) ?? "unholdable");
}

/** The API's amount in nano-credits, absent being zero; undefined for one that no ledger could hold. */
export function readCredits(credits: Credits | undefined): bigint | undefined {
  return credits === undefined ? 0n : fromCredits(credits);
}
