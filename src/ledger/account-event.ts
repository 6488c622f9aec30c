import type { Provider } from "../base/provider.ts";
import type { KeyState } from "../keyvault/ports.ts";

/** What happened to an account's credits, and how they stood right after it, in nano-credits. */
export interface CreditEvent {
  readonly kind: "CREDITS_LOW" | "CREDITS_EXHAUSTED" | "CREDITS_RESTORED";
  readonly account: string;
  readonly availableNano: bigint;
  readonly heldNano: bigint;
  readonly overdraftNano: bigint;
}

/** How a key's state changed. */
export interface KeyEvent {
  readonly kind: "KEY_STATE_CHANGED";
  readonly account: string;
  readonly keyId: string;
  readonly provider: Provider;
  readonly version: number;
  /** Undefined: there was no key. */
  readonly oldState: KeyState | undefined;
  /** Undefined: it was removed. */
  readonly newState: KeyState | undefined;
  /** A short phrase of ours. */
  readonly stateReason: string;
  readonly stateUntilMs: number | undefined;
}

/** Something that happened to an account, in the transaction of what caused it. */
export type AccountEvent = CreditEvent | KeyEvent;

/** An event as it is kept. */
export type StoredAccountEvent = AccountEvent & {
  /** Counts the events of all accounts, from 1, in the order of their commits; no number is used twice. */
  readonly seq: bigint;
  readonly timeMs: number;
};
