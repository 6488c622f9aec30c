import type { KmsFailure } from "./kms.ts";

/**
 * KMS answered that the key, or our right to it, is not there. Names as in the AWS KMS API reference and its "Common errors".
 * Credentials that were deleted or never existed belong here: an operator who takes them away means to cut access.
 */
const DENIED = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "NotAuthorized",
  "DisabledException",
  "KMSInvalidStateException",
  "NotFoundException",
  "IncorrectKeyException",
  "InvalidKeyUsageException",
  "InvalidGrantTokenException",
  "InvalidArnException",
  "UnsupportedOperationException",
  "OptInRequired",
  "UnrecognizedClientException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
  "IncompleteSignature",
  "IncompleteSignatureException",
  "MissingAuthenticationToken",
  "MissingAuthenticationTokenException",
]);

/** KMS answered that what we sent it cannot be a ciphertext of this key and context. */
const CORRUPT = new Set(["InvalidCiphertextException", "ValidationException"]);

const PRINTABLE_NAME = /^[A-Za-z][A-Za-z0-9_.]{0,63}$/;

/**
 * What an error thrown by the SDK means, by its *name* alone: statuses are not reliable, and several errors are not modelled by the SDK.
 * A name that nobody knows counts as `unavailable`, like a timeout, a reset, a 5xx, throttling, expired credentials, a skewed clock or a
 * body that is not JSON: it says nothing about the key, and the hard life span of cached keys bounds the harm.
 * `errorName` is safe to log: a name that does not look like one (it comes from the wire) is replaced by "Unknown".
 */
export function classifyKmsError(error: unknown): { readonly failure: KmsFailure; readonly errorName: string } {
  const errorName = nameOf(error);
  if (DENIED.has(errorName)) return { failure: "denied", errorName };
  if (CORRUPT.has(errorName)) return { failure: "corrupt", errorName };
  return { failure: "unavailable", errorName };
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "Unknown";
  // A plain Error of Node's network stack is told apart by its code, for example ECONNREFUSED.
  const name = error.name === "Error" && "code" in error ? error.code : error.name;
  return typeof name === "string" && PRINTABLE_NAME.test(name) ? name : "Unknown";
}
