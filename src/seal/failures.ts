import { PloriError } from "../base/errors.ts";
import { KmsError } from "../kms/kms.ts";

/** What a caller learns of a failed KMS call: a closed reason, and nothing of what KMS said. Anything else passes as it is. */
export function toSealFailure(error: unknown): unknown {
  return error instanceof KmsError ? refusalOf(error) : error;
}

function refusalOf(error: KmsError): PloriError {
  const options = { cause: error };
  switch (error.failure) {
    case "unavailable":
      return new PloriError(
        { reason: "KMS_UNAVAILABLE", message: "The key management service does not answer; try again." },
        options,
      );
    case "denied":
      return new PloriError(
        { reason: "KEY_UNREADABLE", message: "The key management service refuses this account's data key." },
        options,
      );
    case "corrupt":
      return new PloriError(
        { reason: "RECORD_CORRUPT", message: "This account's data key fails its check at the key management service." },
        options,
      );
  }
}
