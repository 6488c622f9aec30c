import type { Mutation, RequestKey } from "../audit/mutation.ts";
import type { SealedRecord } from "../seal/ports.ts";

/**
 * Where a one-click connect stands. OPEN: it waits for its completion. CLAIMED: a completion is under way, or was cut off. COMPLETED: its key was stored.
 * REFUSED: nothing came of it. LOST: whether the provider made a key is not known, or the key could not be kept.
 */
export type ConnectState = "OPEN" | "CLAIMED" | "COMPLETED" | "REFUSED" | "LOST";

/** How long a connect can be completed: as long as OpenRouter's codes live. */
export const CONNECT_LIFE_MS = 10 * 60_000;

/** A one-click connect that was begun. Holds no secret but the sealed verifier, and neither the callback nor the code. */
export interface StoredConnect {
  readonly account: string;
  readonly connectId: string;
  readonly state: ConnectState;
  readonly expireMs: number;
  /** When it was claimed. */
  readonly claimMs?: number;
  /** The PKCE verifier; gone once the connect was claimed or its time is over. */
  readonly sealedVerifier?: SealedRecord;
}

/** A connect to begin. */
export interface NewConnect {
  readonly account: string;
  readonly connectId: string;
  /** The base64url of the verifier's SHA-256. It is public, and kept with the answer only. */
  readonly codeChallenge: string;
  readonly beginMs: number;
  readonly expireMs: number;
  readonly sealedVerifier: SealedRecord;
}

/** What a beginning answers, and answers again to a repeated request id. */
export interface BegunConnect {
  readonly connectId: string;
  readonly codeChallenge: string;
  readonly expireMs: number;
}

/** Where one-click connects are kept. Every method may throw STORAGE_FULL, OVERLOADED or DRAINING. */
export interface ConnectStore {
  /**
   * Stores a connect durably, in one transaction with its mutation. For a repeated request id: the first answer, and nothing is written.
   * Throws RATE_LIMITED when 20 of the account's connects wait for their completion, and REQUEST_ID_CONFLICT.
   */
  begin(connect: NewConnect, mutation: Mutation): Promise<BegunConnect>;
  /** The answer given before under this request id, or undefined. Throws REQUEST_ID_CONFLICT. */
  findBegun(request: RequestKey): Promise<BegunConnect | undefined>;
  /** The account's connect, or undefined. Another account's is none of it. A connect is kept for a day after its end. */
  find(account: string, connectId: string): Promise<StoredConnect | undefined>;
  /**
   * Makes an OPEN connect whose time is not over CLAIMED, durably, and destroys its sealed verifier. True for exactly one of any number of callers; false,
   * with nothing written, for all others.
   */
  claim(account: string, connectId: string, mutation: Mutation): Promise<boolean>;
  /** Ends a CLAIMED connect without a key. One that is not CLAIMED stays as it is. (`NewKey.completesConnect` ends it with a key.) */
  end(account: string, connectId: string, state: "REFUSED" | "LOST", mutation: Mutation): Promise<void>;
  /** Destroys the verifiers of connects whose time is over and removes those that ended more than a day ago, at most 500 of each. */
  sweep(): Promise<void>;
}
