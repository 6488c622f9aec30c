import type { Log } from "../base/log.ts";
import { type Kms, KmsError } from "../kms/kms.ts";
import { usableKmsKey } from "../kms/multi-region.ts";

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;

/** Whether the KMS keys were found to be usable since the start. */
export interface KmsWatch {
  /** Why the service is not ready; empty once every key answered and the canary opened. */
  reasons(): readonly string[];
  /** Resolves once every key answered and the canary opened: when the service is ready for the first time. */
  readonly usable: Promise<void>;
  /** Rejects when the KMS says that a key may not be used, or the keys are not this installation's: a wrong key, region, account or environment. The process should end. */
  readonly wrongKey: Promise<never>;
  /**
   * Whether data keys wrapped by this KMS key may be used: only those that were configured, or whoever can write to the database could plant a data key that
   * a KMS key of their own opens.
   */
  isTrusted(keyArn: string): boolean;
  /** The configured key that opens what this one wrapped: itself, or its replica in this Region. */
  localArn(keyArn: string): string;
  stop(): void;
}

/** The installation whose keys the KMS has to open. */
export interface WatchedInstallation {
  /** What is wrong with the keys for this installation; undefined when nothing is. Throws while nobody answers. */
  findMistake(): Promise<string | undefined>;
  /** Which KMS key and environment it was sealed with, without asking the KMS; undefined before its first start. */
  describe(): Promise<string | undefined>;
}

/**
 * Asks for every configured KMS key once, until each answered, and then whether they are this installation's. A KMS that is away at the start keeps the
 * service live but not ready; only one that answers "no" ends it.
 */
export function watchKms(kms: Kms, keyIds: readonly string[], log: Log, installation: WatchedInstallation): KmsWatch {
  const waiting = new Set(keyIds);
  const trusted = new Set<string>();
  const usable = Promise.withResolvers<void>();
  const wrongKey = Promise.withResolvers<never>();
  wrongKey.promise.catch(() => {});
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let isInstallationChecked = false;

  /** Whether the keys open what this database holds. The keys may be fine and still be another installation's. */
  async function checkInstallation(): Promise<void> {
    try {
      const mistake = await installation.findMistake();
      isInstallationChecked = mistake === undefined;
      if (mistake === undefined) {
        usable.resolve();
        return;
      }
      log.error("the installation's canary does not open", { reason: mistake });
      wrongKey.reject(new Error(mistake));
      stopped = true;
    } catch (error) {
      if (!stopped) log.warn("the installation's canary cannot be opened yet; not ready until it is", { err: error });
    }
  }

  async function refuseKey(keyId: string, errorName: string): Promise<void> {
    log.error("KMS key is not usable", { keyId, reason: errorName });
    // What was expected helps to find the wrong setting; that it cannot be read is not what is wrong.
    const expected = await installation.describe().catch(() => undefined);
    const advice = "check PLORI_KMS_KEY_IDS, the AWS region and account, and the key's policy and state";
    const reason = `KMS key ${keyId} may not be used (${errorName}): ${advice}`;
    wrongKey.reject(new Error(expected === undefined ? reason : `${reason}; ${expected}`));
  }

  async function ask(delayMs: number): Promise<void> {
    for (const keyId of [...waiting]) {
      try {
        const { keyArn } = await kms.describeKey(keyId);
        waiting.delete(keyId);
        trusted.add(keyArn);
        log.info("KMS key is usable", { keyId, keyArn });
      } catch (error) {
        if (error instanceof KmsError && error.failure === "denied") {
          await refuseKey(keyId, error.errorName);
          return;
        }
        log.warn("KMS does not answer; not ready until it does", { keyId, err: error });
      }
    }
    if (waiting.size === 0 && !stopped) await checkInstallation();
    if (isInstallationChecked || stopped) return;
    timer = setTimeout(() => void ask(Math.min(delayMs * 2, LAST_RETRY_MS)), delayMs).unref();
  }
  void ask(FIRST_RETRY_MS);

  return {
    reasons: () => [
      ...[...waiting].map((keyId) => `KMS key ${keyId} has not answered yet`),
      ...(waiting.size === 0 && !isInstallationChecked ? ["the installation's canary was not opened yet"] : []),
    ],
    usable: usable.promise,
    wrongKey: wrongKey.promise,
    isTrusted: (keyArn) =>
      usableKmsKey(keyArn, [...trusted, ...keyIds]) !== undefined ||
      keyIds.some((keyId) => keyArn.endsWith(`:key/${keyId}`)),
    localArn: (keyArn) => usableKmsKey(keyArn, [...trusted, ...keyIds]) ?? keyArn,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
