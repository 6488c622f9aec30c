import { formatCredits, fromCredits } from "../../src/base/credits.ts";
import type { Credits } from "../../src/gen/plori/type/v1/type_pb.ts";
import { present } from "./expectation.ts";

/** An amount of the API in nano-credits; it must be there and well formed. */
export function nanoOf(credits: Credits | undefined, what: string): bigint {
  return present(fromCredits(present(credits, what)), `a well-formed amount in ${what}`);
}

/** Nano-credits for people: exact, with at least two places. */
export function creditsText(nano: bigint): string {
  return formatCredits(nano).replace(/0{1,7}$/, "");
}

/** A decimal amount of credits, such as "7.55", in nano-credits. */
export function creditsOf(text: string): bigint {
  const [units = "0", places = ""] = text.split(".");
  return BigInt(units + places.padEnd(9, "0"));
}
