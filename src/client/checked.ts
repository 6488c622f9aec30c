import { PloriError } from "../base/errors.ts";
import { FieldChecker } from "../base/fields.ts";
import { HostError } from "./host-error.ts";

/** Runs the checks of a request; throws FIELDS_INVALID with every violation, if there is one, as the service would. */
export function checked(check: (fields: FieldChecker) => void): void {
  const fields = new FieldChecker();
  check(fields);
  try {
    fields.done();
  } catch (error) {
    if (!(error instanceof PloriError)) throw error;
    throw new HostError({
      code: "INVALID_ARGUMENT",
      reason: error.reason,
      message: error.message,
      violations: error.refusal.violations ?? [],
    });
  }
}
