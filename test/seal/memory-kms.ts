import { classifyKmsError } from "../../src/kms/classify-kms-error.ts";
import { createDevelopmentKeyring, newDevelopmentKey } from "../../src/kms/development-keyring.ts";
import { type Kms, KmsError, type KmsFailure } from "../../src/kms/kms.ts";

/** A KMS in this process, with real encryption, whose answers a test can hold back or spoil. */
export interface MemoryKms extends Kms {
  readonly keyring: ReturnType<typeof createDevelopmentKeyring>;
  readonly keyArn: string;
  readonly calls: { generateDataKey: number; decrypt: number; reEncrypt: number };
  /** Every plaintext that it handed out, to see whether it was wiped. */
  readonly handedOut: Buffer[];
  /** While set, every call fails like this. */
  failure: KmsFailure | undefined;
  /** Calls wait until the returned function is called. */
  hold(): () => void;
  /** The most calls that ran at once. */
  readonly peak: number;
}

/** A memory KMS with two keys. */
export function createMemoryKms(): MemoryKms {
  const keyring = createDevelopmentKeyring([newDevelopmentKey(["alias/plori-dev"]), newDevelopmentKey()]);
  let gate: Promise<void> = Promise.resolve();
  let running = 0;
  let peak = 0;

  async function answer<T>(perform: () => T): Promise<T> {
    running += 1;
    peak = Math.max(peak, running);
    try {
      await gate;
      if (kms.failure !== undefined) throw new KmsError(kms.failure, "Scripted");
      return perform();
    } catch (error) {
      if (error instanceof KmsError) throw error;
      const { failure, errorName } = classifyKmsError(error);
      throw new KmsError(failure, errorName);
    } finally {
      running -= 1;
    }
  }

  const kms: MemoryKms = {
    keyring,
    keyArn: keyring.keys[0]?.keyArn ?? "",
    calls: { generateDataKey: 0, decrypt: 0, reEncrypt: 0 },
    handedOut: [],
    failure: undefined,
    get peak() {
      return peak;
    },
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
    generateDataKey(keyId, context) {
      kms.calls.generateDataKey += 1;
      return answer(() => {
        const made = keyring.generate(keyId, context);
        kms.handedOut.push(made.plaintext);
        return made;
      });
    },
    decrypt(keyArn, wrapped, context) {
      kms.calls.decrypt += 1;
      return answer(() => {
        const { plaintext } = keyring.decrypt(keyArn, Buffer.from(wrapped), context);
        kms.handedOut.push(plaintext);
        return plaintext;
      });
    },
    reEncrypt(sourceKeyArn, wrapped, destinationKeyId, context) {
      kms.calls.reEncrypt += 1;
      return answer(() => {
        const { plaintext } = keyring.decrypt(sourceKeyArn, Buffer.from(wrapped), context);
        return keyring.encrypt(destinationKeyId, plaintext, context);
      });
    },
    describeKey: (keyId) => answer(() => ({ keyArn: keyring.find(keyId).keyArn })),
    close() {},
  };
  return kms;
}
