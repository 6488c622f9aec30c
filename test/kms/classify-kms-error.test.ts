import { expect, test } from "vitest";
import { classifyKmsError } from "../../src/kms/classify-kms-error.ts";

function named(name: string, more: object = {}): Error {
  return Object.assign(new Error("text"), { name }, more);
}

test.each([
  [named("TimeoutError"), "unavailable", "TimeoutError"],
  [named("AbortError"), "unavailable", "AbortError"],
  [named("SyntaxError"), "unavailable", "SyntaxError"],
  [named("ThrottlingException"), "unavailable", "ThrottlingException"],
  [named("LimitExceededException"), "unavailable", "LimitExceededException"],
  [named("CredentialsProviderError"), "unavailable", "CredentialsProviderError"],
  [named("ExpiredTokenException"), "unavailable", "ExpiredTokenException"],
  [named("AccessDeniedException"), "denied", "AccessDeniedException"],
  [named("AccessDenied"), "denied", "AccessDenied"],
  [named("DisabledException"), "denied", "DisabledException"],
  [named("KMSInvalidStateException"), "denied", "KMSInvalidStateException"],
  [named("NotFoundException"), "denied", "NotFoundException"],
  [named("IncorrectKeyException"), "denied", "IncorrectKeyException"],
  [named("InvalidCiphertextException"), "corrupt", "InvalidCiphertextException"],
  [named("ValidationException"), "corrupt", "ValidationException"],
  // A status contradicts the name: the name holds.
  [named("DisabledException", { $metadata: { httpStatusCode: 500 } }), "denied", "DisabledException"],
  [named("InternalFailure", { $metadata: { httpStatusCode: 403 } }), "unavailable", "InternalFailure"],
  [named("Error", { code: "ECONNREFUSED" }), "unavailable", "ECONNREFUSED"],
  [named("Error"), "unavailable", "Error"],
  [named("not a name: <html>\n"), "unavailable", "Unknown"],
  [named("A".repeat(65)), "unavailable", "Unknown"],
  ["a string", "unavailable", "Unknown"],
  [undefined, "unavailable", "Unknown"],
])("%o is %s", (error, failure, errorName) => {
  expect(classifyKmsError(error)).toEqual({ failure, errorName });
});
