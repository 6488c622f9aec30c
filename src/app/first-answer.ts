import type { KmsWatch } from "./kms-watch.ts";

/** How long a start waits for the KMS's word, in milliseconds: one call with all its attempts, and some more. */
const FIRST_ANSWER_MAX_MS = 3_000;

/**
 * Waits for the KMS's first word before the doors open. Rejects with what is wrong when the KMS says that a key may not be used, or that the keys are not
 * this installation's: then no door ever opens. Resolves when all is well, and also when nobody answered in time: an outage must not keep the
 * service from coming up, live and not ready.
 */
export async function firstAnswer(watch: Pick<KmsWatch, "usable" | "wrongKey">): Promise<void> {
  const silence = Promise.withResolvers<void>();
  const timer = setTimeout(silence.resolve, FIRST_ANSWER_MAX_MS);
  try {
    await Promise.race([watch.usable, watch.wrongKey, silence.promise]);
  } finally {
    clearTimeout(timer);
  }
}
