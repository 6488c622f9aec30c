import { type FieldViolation, PloriError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

const ID = /^[A-Za-z0-9._-]{1,128}$/;
const EXTERNAL_ID = /^[A-Za-z0-9._:/-]{1,128}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

/** Whether the text has no control characters. Look at its length first: a pattern is not run over a megabyte. */
export function isPrintable(text: string): boolean {
  return PRINTABLE.test(text);
}

/** Collects every wrong field of a request, so that the caller learns of all of them at once. */
export class FieldChecker {
  readonly #violations: FieldViolation[] = [];
  readonly #prefix: string;

  /** `prefix` stands before every field's path, for example "records[3].". */
  constructor(prefix = "") {
    this.#prefix = prefix;
  }

  get violations(): readonly FieldViolation[] {
    return this.#violations;
  }

  /** Notes that `field` is wrong unless `condition` holds. */
  check(condition: boolean, field: string, description: string): void {
    if (!condition) this.#violations.push({ field: `${this.#prefix}${field}`, description });
  }

  /** An id of the platform's: account, agent or host. */
  id(field: string, value: string): void {
    this.check(ID.test(value), field, `must be 1-${LIMITS.idMaxChars} characters of A-Z a-z 0-9 . _ -`);
  }

  /** An id of the caller's own making: usage id or call id. */
  externalId(field: string, value: string): void {
    this.check(EXTERNAL_ID.test(value), field, `must be 1-${LIMITS.idMaxChars} characters of A-Z a-z 0-9 . _ : / -`);
  }

  /** An optional request id. */
  requestId(value: string): void {
    this.check(value === "" || UUID.test(value), "request_id", "must be a UUID, or empty");
  }

  /** An optional actor. */
  actor(value: string): void {
    this.text("actor", value, 0, LIMITS.actorMaxChars);
  }

  /** Printable text without control characters, `minChars` to `maxChars` long. */
  text(field: string, value: string, minChars: number, maxChars: number): void {
    // The length is looked at first: a pattern is not run over a megabyte.
    if (value.length < minChars || value.length > maxChars) {
      this.check(false, field, `must be ${minChars}-${maxChars} characters long`);
    } else {
      this.check(isPrintable(value), field, "must be printable, without control characters");
    }
  }

  /** Throws INVALID_ARGUMENT with every violation, if there is one. */
  done(): void {
    if (this.#violations.length === 0) return;
    throw new PloriError({
      reason: "FIELDS_INVALID",
      message: `Invalid request: ${this.#violations
        .map((v) => `${v.field} ${v.description}`)
        .slice(0, 5)
        .join("; ")}.`,
      violations: this.#violations,
    });
  }
}
