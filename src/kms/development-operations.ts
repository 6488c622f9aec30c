import { WRAPPED_MAX_BYTES } from "./check-answer.ts";
import { DevelopmentKmsError } from "./development-error.ts";
import type { DevelopmentKeyring } from "./development-keyring.ts";
import type { EncryptionContext } from "./kms.ts";

/** The operations of AWS KMS that the development KMS knows. */
export const DEVELOPMENT_KMS_OPERATIONS = ["GenerateDataKey", "Decrypt", "ReEncrypt", "DescribeKey"] as const;

/** One of them. */
export type DevelopmentKmsOperation = (typeof DEVELOPMENT_KMS_OPERATIONS)[number];

/** An answer as it stands in JSON; blobs are base64. */
export type DevelopmentKmsAnswer = Readonly<Record<string, string | Readonly<Record<string, string | boolean>>>>;

/** Keys are bounded by KMS at 2,048 characters for ids; contexts at 8,192 bytes. */
const KEY_ID_MAX_CHARS = 2_048;
const CONTEXT_MAX_CHARS = 8_192;

/** Carries out one operation on a parsed request body (AWS KMS API reference). Throws `DevelopmentKmsError` with KMS's own names. */
export function performOperation(
  keyring: DevelopmentKeyring,
  operation: DevelopmentKmsOperation,
  request: Readonly<Record<string, unknown>>,
): DevelopmentKmsAnswer {
  switch (operation) {
    case "GenerateDataKey": {
      if (request["KeySpec"] !== "AES_256") throw invalid("KeySpec must be AES_256");
      const made = keyring.generate(requiredText(request, "KeyId"), context(request, "EncryptionContext"));
      return { CiphertextBlob: base64(made.wrapped), Plaintext: takeBase64(made.plaintext), KeyId: made.keyArn };
    }
    case "Decrypt": {
      const opened = keyring.decrypt(
        optionalText(request, "KeyId"),
        blob(request, "CiphertextBlob"),
        context(request, "EncryptionContext"),
      );
      return {
        Plaintext: takeBase64(opened.plaintext),
        KeyId: opened.keyArn,
        EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
      };
    }
    case "ReEncrypt": {
      const destination = requiredText(request, "DestinationKeyId");
      const opened = keyring.decrypt(
        optionalText(request, "SourceKeyId"),
        blob(request, "CiphertextBlob"),
        context(request, "SourceEncryptionContext"),
      );
      const made = keyring.encrypt(destination, opened.plaintext, context(request, "DestinationEncryptionContext"));
      opened.plaintext.fill(0);
      return { CiphertextBlob: base64(made.wrapped), SourceKeyId: opened.keyArn, KeyId: made.keyArn };
    }
    case "DescribeKey": {
      const key = keyring.find(requiredText(request, "KeyId"));
      return {
        KeyMetadata: {
          Arn: key.keyArn,
          KeyId: key.keyArn.slice(key.keyArn.lastIndexOf("/") + 1),
          Enabled: key.state === "Enabled",
          KeyState: key.state,
          KeyUsage: "ENCRYPT_DECRYPT",
          KeySpec: "SYMMETRIC_DEFAULT",
        },
      };
    }
  }
}

function requiredText(request: Readonly<Record<string, unknown>>, field: string): string {
  const value = optionalText(request, field);
  if (value === undefined) throw invalid(`${field} is missing`);
  return value;
}

function optionalText(request: Readonly<Record<string, unknown>>, field: string): string | undefined {
  const value = request[field];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string" || value.length === 0 || value.length > KEY_ID_MAX_CHARS) {
    throw invalid(`${field} must be a string of 1-${KEY_ID_MAX_CHARS} characters`);
  }
  return value;
}

function blob(request: Readonly<Record<string, unknown>>, field: string): Buffer {
  const value = request[field];
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : Buffer.alloc(0);
  if (bytes.length === 0 || bytes.length > WRAPPED_MAX_BYTES) {
    throw invalid(`${field} must have 1-${WRAPPED_MAX_BYTES} bytes`);
  }
  return bytes;
}

function context(request: Readonly<Record<string, unknown>>, field: string): EncryptionContext {
  const value = request[field] ?? {};
  if (typeof value !== "object") throw invalid(`${field} must be a map`);
  const context: Record<string, string> = {};
  let chars = 0;
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string") throw invalid(`${field} must map strings to strings`);
    context[name] = text;
    chars += name.length + text.length;
  }
  if (chars > CONTEXT_MAX_CHARS) throw invalid(`${field} is too large`);
  return context;
}

function invalid(message: string): DevelopmentKmsError {
  return new DevelopmentKmsError("ValidationException", message);
}

function base64(bytes: Buffer): string {
  return bytes.toString("base64");
}

function takeBase64(secret: Buffer): string {
  const text = secret.toString("base64");
  secret.fill(0);
  return text;
}
