import type { Log } from "../base/log.ts";
import { type Kms, KmsError } from "../kms/kms.ts";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

/** Whether the KMS keys were found to be usable since the start. */
export interface KmsWatch {
  /** Why the service is not ready; empty once every key answered. */
  reasons(): readonly string[];
  /** Rejects when the KMS says that a key may not be used: a wrong key, region or account. The process should end. */
  readonly wrongKey: Promise<never>;
  /**
   * Whether data keys wrapped by this KMS key may be used: only those that were configured, or whoever can write to the database could plant a data key that
   * a KMS key of their own opens.
   */
  isTrusted(keyArn: string): boolean;
  stop(): void;
}

/**
 * Asks for every configured KMS key once, until each answered. A KMS that is away at the start keeps the service live but not ready; only one that answers "no" ends it.
 */
export function watchKms(kms: Kms, keyIds: readonly string[], log: Log): KmsWatch {
  const waiting = new Set(keyIds);
  const trusted = new Set<string>();
  const wrongKey = Promise.withResolvers<never>();
  wrongKey.promise.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function ask(delayMs: number): Promise<void> {
    for (const keyId of [...waiting]) {
      try {
        const { keyArn } = await kms.describeKey(keyId);
        waiting.delete(keyId);
        trusted.add(keyArn);
        log.info("KMS key is usable", { keyId, keyArn });
      } catch (error) {
        if (error instanceof KmsError && error.failure === "denied") {
          const reason = `KMS key ${keyId} may not be used (${error.errorName}): check PLORI_KMS_KEY_IDS, the AWS region and account, and the key's policy and state`;
          log.error("KMS key is not usable", { keyId, reason: error.errorName });
          wrongKey.reject(new Error(reason));
          return;
        }
        log.warn("KMS does not answer; not ready until it does", { keyId, err: error });
      }
    }
    if (waiting.size === 0 || stopped) return;
    timer = setTimeout(() => void ask(Math.min(delayMs * 2, LAST_RETRY_MS)), delayMs).unref();
  }
  void ask(FIRST_RETRY_MS);

  return {
    reasons: () => [...waiting].map((keyId) => `KMS key ${keyId} has not answered yet`),
    wrongKey: wrongKey.promise,
    isTrusted: (keyArn) =>
      trusted.has(keyArn) || keyIds.some((keyId) => keyArn === keyId || keyArn.endsWith(`:key/${keyId}`)),
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
