import {
  DecryptCommand,
  DescribeKeyCommand,
  GenerateDataKeyCommand,
  KMSClient,
  type KMSClientConfig,
  ReEncryptCommand,
} from "@aws-sdk/client-kms";
import { takeKeyArn, takePlaintext, takeWrapped } from "./check-answer.ts";
import { classifyKmsError } from "./classify-kms-error.ts";
import { type Kms, KmsError } from "./kms.ts";

/** Bounds of the KMS client. */
export interface AwsKmsLimits {
  /** How long one attempt may take to connect, and again to answer. */
  readonly attemptMaxMs: number;
  /** How long a call may take with all its attempts and the waits between them. */
  readonly totalMaxMs: number;
  readonly attemptsMax: number;
  readonly socketsMax: number;
}

const DEFAULT_LIMITS: AwsKmsLimits = { attemptMaxMs: 1_000, totalMaxMs: 2_500, attemptsMax: 3, socketsMax: 20 };

/** What is not given comes from the SDK's own chain: the AWS_* variables (with AWS_ENDPOINT_URL_KMS), files, roles. */
export interface AwsKmsOptions {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly limits?: Partial<AwsKmsLimits>;
}

/**
 * The KMS behind the AWS SDK: AWS itself, or whatever speaks its protocol at `endpoint`. Every call ends within `limits.totalMaxMs`, and every
 * answer is checked before it is believed. An error of the SDK's is never passed on, not even as a cause: its message can quote the body of
 * an answer, and with it a key.
 */
export function createAwsKms(options: AwsKmsOptions = {}): Kms {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const client = new KMSClient(clientConfig(options, limits));

  /** Runs one SDK call to its end or to the deadline, whichever comes first; `take` turns its answer into ours and owns its secrets. */
  async function call<Answer, Taken>(
    send: (abortSignal: AbortSignal) => Promise<Answer>,
    take: (answer: Answer) => Taken,
    discard: (answer: Answer) => void,
  ): Promise<Taken> {
    const abort = new AbortController();
    let expired = false;
    let expire: () => void = () => {};
    const deadline = new Promise<never>((_resolve, reject) => {
      expire = () => {
        expired = true;
        abort.abort();
        reject(new KmsError("unavailable", "TimeoutError"));
      };
    });
    const timer = setTimeout(() => expire(), limits.totalMaxMs);
    try {
      // The SDK does not look at the signal while it waits between attempts, so the deadline is raced besides.
      const answered = send(abort.signal).then((answer) => {
        if (expired) discard(answer);
        return answer;
      });
      return take(await Promise.race([answered, deadline]));
    } catch (error) {
      if (error instanceof KmsError) throw error;
      const { failure, errorName } = classifyKmsError(error);
      throw new KmsError(failure, errorName);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    generateDataKey: (keyId, context) =>
      call(
        (abortSignal) =>
          client.send(
            new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: "AES_256", EncryptionContext: { ...context } }),
            { abortSignal },
          ),
        (answer) => {
          const plaintext = takePlaintext(answer.Plaintext);
          try {
            return {
              plaintext,
              wrapped: takeWrapped(answer.CiphertextBlob),
              keyArn: takeKeyArn(answer.KeyId, keyId),
            };
          } catch (error) {
            plaintext.fill(0);
            throw error;
          }
        },
        (answer) => answer.Plaintext?.fill(0),
      ),

    decrypt: (keyArn, wrapped, context) =>
      call(
        (abortSignal) =>
          // The key is always named: without it KMS opens whatever key the ciphertext names, an attacker's too.
          client.send(
            new DecryptCommand({ KeyId: keyArn, CiphertextBlob: wrapped, EncryptionContext: { ...context } }),
            { abortSignal },
          ),
        (answer) => {
          const plaintext = takePlaintext(answer.Plaintext);
          try {
            takeKeyArn(answer.KeyId, keyArn);
            return plaintext;
          } catch (error) {
            plaintext.fill(0);
            throw error;
          }
        },
        (answer) => answer.Plaintext?.fill(0),
      ),

    reEncrypt: (sourceKeyArn, wrapped, destinationKeyId, context) =>
      call(
        (abortSignal) =>
          client.send(
            new ReEncryptCommand({
              SourceKeyId: sourceKeyArn,
              CiphertextBlob: wrapped,
              SourceEncryptionContext: { ...context },
              DestinationKeyId: destinationKeyId,
              DestinationEncryptionContext: { ...context },
            }),
            { abortSignal },
          ),
        (answer) => {
          takeKeyArn(answer.SourceKeyId, sourceKeyArn);
          return { wrapped: takeWrapped(answer.CiphertextBlob), keyArn: takeKeyArn(answer.KeyId, destinationKeyId) };
        },
        () => {},
      ),

    describeKey: (keyId) =>
      call(
        (abortSignal) => client.send(new DescribeKeyCommand({ KeyId: keyId }), { abortSignal }),
        (answer) => {
          const keyArn = takeKeyArn(answer.KeyMetadata?.Arn, keyId);
          const state = answer.KeyMetadata?.KeyState;
          if (state === "Disabled") throw new KmsError("denied", "DisabledException");
          // "Updating" is a multi-Region key in motion, which stays usable (AWS KMS developer guide, key states).
          if (state !== "Enabled" && state !== "Updating") throw new KmsError("denied", "KMSInvalidStateException");
          if (answer.KeyMetadata?.KeySpec !== "SYMMETRIC_DEFAULT") {
            throw new KmsError("denied", "InvalidKeyUsageException");
          }
          return { keyArn };
        },
        () => {},
      ),

    close: () => client.destroy(),
  };
}

function clientConfig(options: AwsKmsOptions, limits: AwsKmsLimits): KMSClientConfig {
  return {
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    maxAttempts: limits.attemptsMax,
    requestHandler: {
      connectionTimeout: limits.attemptMaxMs,
      requestTimeout: limits.attemptMaxMs,
      // Without this the SDK only logs that the time has passed, and goes on waiting.
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: limits.socketsMax, keepAlive: true },
      httpsAgent: { maxSockets: limits.socketsMax, keepAlive: true },
    },
    // The SDK's own log lines could quote a request.
    logger: { trace() {}, debug() {}, info() {}, warn() {}, error() {} },
  };
}
