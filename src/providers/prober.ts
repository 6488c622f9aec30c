import type { Clock } from "../base/clock.ts";
import { refuse } from "../base/errors.ts";
import type { Provider } from "../base/provider.ts";
import type { Secret } from "../base/secret.ts";
import { askProvider, type BoundedAnswer } from "./ask.ts";
import { baseUrlOf } from "./base-url.ts";
import { isSendable, questionHeaders } from "./credential-headers.ts";
import { describeProvider } from "./descriptors.ts";
import { judgeProbe, unreachedVerdict, unsendableVerdict, type Verdict } from "./verdict.ts";

/** Asks providers whether keys work. */
export interface Prober {
  /**
   * Asks the provider once whether the key works. Whatever the provider or the network does becomes a verdict; the one error is CANCELLED,
   * when `signal` aborts. The secret stays the caller's to wipe.
   */
  probe(provider: Provider, secret: Secret, signal?: AbortSignal): Promise<Verdict>;
}

/** Bounds of one probe. */
export interface ProbeLimits {
  /** From the request's start to the end of what is read of the body. */
  readonly deadlineMs: number;
  readonly bodyMaxBytes: number;
}

/** What a prober needs. `urls`: origins that replace the providers' own (`parseProviderUrls`). */
export interface ProberOptions {
  readonly urls?: Readonly<Partial<Record<Provider, string>>>;
  readonly fetch?: typeof fetch;
  readonly clock: Pick<Clock, "nowMs">;
  readonly limits?: Partial<ProbeLimits>;
}

const DEFAULT_LIMITS: ProbeLimits = { deadlineMs: 10_000, bodyMaxBytes: 64 * 1024 };

/** A prober over HTTP. It keeps nothing, and logs nothing: bodies may hold parts of keys. */
export function createProber(options: ProberOptions): Prober {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const fetchOne = options.fetch ?? fetch;
  return {
    async probe(provider, secret, signal) {
      const descriptor = describeProvider(provider);
      if (!isSendable(secret)) return unsendableVerdict(descriptor);
      let answer: BoundedAnswer;
      try {
        answer = await askProvider(fetchOne, {
          url: `${baseUrlOf(descriptor, options.urls?.[provider])}${descriptor.validate.path}`,
          headers: questionHeaders(descriptor, secret),
          signal,
          ...limits,
        });
      } catch {
        // What fetch throws may quote the URL or a header; that the provider was not reached is all that matters here.
        if (signal?.aborted === true) throw refuse("CANCELLED", "The call ended before the key was checked.");
        return unreachedVerdict(descriptor);
      }
      const { status, bodyText, truncated, retryAfter } = answer;
      const headers = retryAfter === undefined ? {} : { retryAfter };
      return judgeProbe(descriptor, { status, bodyText, truncated, headers }, options.clock.nowMs());
    },
  };
}
