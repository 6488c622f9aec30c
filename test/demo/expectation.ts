import { inspect, isDeepStrictEqual } from "node:util";
import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../../src/gen/google/rpc/error_details_pb.ts";

const DOMAIN = "plori.internal";

/** Something that was promised did not happen. The message says what was expected. */
export class PromiseBroken extends Error {
  override readonly name = "PromiseBroken";
}

/** Throws `PromiseBroken` unless `holds`. `expectation` says what should have been, and never holds a secret. */
export function expectThat(holds: unknown, expectation: string): asserts holds {
  if (!holds) throw new PromiseBroken(`expected that ${expectation}`);
}

/** Throws `PromiseBroken` unless both are deeply equal. Both are shown: never hand it a secret. */
export function expectSame<T>(what: string, got: T, expected: T): void {
  if (isDeepStrictEqual(got, expected)) return;
  throw new PromiseBroken(`expected ${what} to be ${inspect(expected)}; it is ${inspect(got)}`);
}

/** The value, which must be there. */
export function present<T>(value: T | undefined, what: string): T {
  expectThat(value !== undefined, `${what} is there`);
  return value;
}

/** How the service refused a call. */
export interface Refused {
  /** The canonical code and the reason, as a log would show them: "PERMISSION_DENIED ROLE_NOT_ALLOWED". */
  readonly title: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Awaits a call that must be refused with `title`, the code and the reason; anything else breaks the promise. */
export async function expectRefused(what: string, title: string, call: Promise<unknown>): Promise<Refused> {
  const refused = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expectThat(refused !== undefined, `${what} is refused with ${title}; it was answered`);
  if (!(refused instanceof ConnectError)) throw refused;
  const info = refused.findDetails(ErrorInfoSchema).find(({ domain }) => domain === DOMAIN);
  const got = `${CODE_NAMES[refused.code] ?? refused.code} ${info?.reason ?? "without a reason"}`;
  expectThat(got === title, `${what} is refused with ${title}; it was refused with ${got}: ${refused.rawMessage}`);
  return { title, message: refused.rawMessage, metadata: info?.metadata ?? {} };
}

/** google.rpc.Code by number. */
const CODE_NAMES: Readonly<Record<number, string>> = {
  1: "CANCELLED",
  2: "UNKNOWN",
  3: "INVALID_ARGUMENT",
  4: "DEADLINE_EXCEEDED",
  5: "NOT_FOUND",
  6: "ALREADY_EXISTS",
  7: "PERMISSION_DENIED",
  8: "RESOURCE_EXHAUSTED",
  9: "FAILED_PRECONDITION",
  10: "ABORTED",
  11: "OUT_OF_RANGE",
  12: "UNIMPLEMENTED",
  13: "INTERNAL",
  14: "UNAVAILABLE",
  15: "DATA_LOSS",
  16: "UNAUTHENTICATED",
};
