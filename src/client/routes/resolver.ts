import type { Clock } from "../../base/clock.ts";
import type { FieldChecker } from "../../base/fields.ts";
import { LIMITS } from "../../base/limits.ts";
import type { Provider } from "../../base/provider.ts";
import { checked } from "../checked.ts";
import { HostError } from "../host-error.ts";
import type { CallOptions } from "../link/link.ts";
import { isRevoked, type LeaseBook, type Revoked } from "./lease-book.ts";
import { leaseLengthMs, type Moment } from "./lease-length.ts";
import { type LeasedRoute, type Route, routeFor } from "./route.ts";

/** A model call that wants a route. */
export interface WantedCall {
  /** The platform's id of the account, 1-128 of [A-Za-z0-9._-]. */
  readonly account: string;
  /** The platform's id of the agent that makes the call; the scheduler must have placed it on this host. */
  readonly agent: string;
  /** `author/model`, a provider's own id, or `provider::id`. */
  readonly model: string;
  /** Only this provider will do. */
  readonly provider?: Provider | undefined;
  /** The host's id of this model call, 1-128 of [A-Za-z0-9._:/-]: asking again with the same id gets the same hold. */
  readonly callId: string;
  /** How large the call is expected to be; sizes the hold of a hosted call. */
  readonly estimate?: { readonly inputTokens?: number; readonly maxOutputTokens?: number } | undefined;
}

/** A route as the service gave it. */
export interface Resolved {
  readonly leased: LeasedRoute;
  /** Until when it may be reused, by the service's clock; undefined: it serves one call. */
  readonly reuseUntilMs: number | undefined;
  /** When the service answered, by its clock, if it said so. */
  readonly servedMs: number | undefined;
}

/** What resolving needs. */
export interface ResolverDeps {
  readonly clock: Clock;
  readonly leases: LeaseBook;
  /** Asks the service. */
  readonly ask: (wanted: WantedCall, options: CallOptions) => Promise<Resolved>;
  /** Whether revocations are heard at this moment: without that nothing may be reused. */
  readonly isListening: () => boolean;
  readonly marginMs: number;
}

/** Reasons that hold for everybody who asks the same, not only for the call that was refused. */
const SHARED_REASONS: ReadonlySet<string> = new Set([
  "KEY_DEAD",
  "KEY_EXHAUSTED",
  "KEY_BLOCKED",
  "KEY_UNREADABLE",
  "KEY_RATE_LIMITED",
  "MODEL_UNKNOWN",
  "PIN_WITHOUT_KEY",
  "PROVIDER_UNREACHABLE",
  "KMS_UNAVAILABLE",
  "STORAGE_FULL",
  "DRAINING",
  "OVERLOADED",
  "RATE_LIMITED",
  "SERVICE_UNREACHABLE",
]);
const SINGLE_USE_MAX = 10_000;

/** Gives routes out: from a lease when there is one, from the service otherwise, with one question at a time for whatever could be shared. */
export class Resolver {
  readonly #deps: ResolverDeps;
  /** For every question under way, what was revoked since it was sent: the route that comes back may be one of those. */
  readonly #flights = new Set<Revoked[]>();
  /** The question under way for each purpose, for others to wait for. */
  readonly #leaders = new Map<string, Promise<void>>();
  /** Purposes whose last route served one call: waiting for one another would gain nothing. */
  readonly #singleUse = new Set<string>();

  constructor(deps: ResolverDeps) {
    this.#deps = deps;
  }

  /** A route for the call. Rejects with a HostError. */
  async resolve(wanted: WantedCall, options: CallOptions): Promise<Route> {
    checkWanted(wanted);
    const purpose = purposeOf(wanted);
    const held = this.#fromLease(purpose, wanted);
    if (held !== undefined) return held;
    const leader = this.#leaders.get(purpose);
    if (leader !== undefined && !this.#singleUse.has(purpose)) {
      await waitFor(leader, options.signal);
      const shared = this.#fromLease(purpose, wanted);
      if (shared !== undefined) return shared;
      // Nothing to share: everybody asks, but nobody waits any more.
      return this.#ask(purpose, wanted, options);
    }
    const asked = this.#ask(purpose, wanted, options);
    const landed = asked.then(
      () => {},
      (error: unknown) => {
        if (error instanceof HostError && SHARED_REASONS.has(error.reason)) throw error;
      },
    );
    landed.catch(() => {});
    this.#leaders.set(purpose, landed);
    try {
      return await asked;
    } finally {
      if (this.#leaders.get(purpose) === landed) this.#leaders.delete(purpose);
    }
  }

  /** Nothing that is revoked is reused from now on, what is on its way included. */
  revoke(revoked: Revoked): void {
    this.#deps.leases.revoke(revoked);
    for (const since of this.#flights) since.push(revoked);
  }

  /** Nothing that was given out or asked for until now is reused. */
  revokeAll(): void {
    this.#deps.leases.clear();
    this.revoke({ account: "", agent: "", key: "", keyVersion: 0n });
  }

  #fromLease(purpose: string, { callId }: WantedCall): Route | undefined {
    const { leases, isListening } = this.#deps;
    if (!isListening()) {
      leases.clear();
      return undefined;
    }
    const leased = leases.find(purpose, this.#now());
    return leased === undefined ? undefined : routeFor(leased, callId, true);
  }

  async #ask(purpose: string, wanted: WantedCall, options: CallOptions): Promise<Route> {
    const { ask, isListening } = this.#deps;
    const wasListening = isListening();
    const sent = this.#now();
    const revokedSince: Revoked[] = [];
    this.#flights.add(revokedSince);
    try {
      const resolved = await ask(wanted, options);
      const route = routeFor(resolved.leased, wanted.callId, false);
      const isKept = wasListening && isListening() && this.#keep(purpose, resolved, sent, revokedSince);
      if (!isKept) resolved.leased.credential.wipe();
      return route;
    } finally {
      this.#flights.delete(revokedSince);
    }
  }

  /** Makes a lease of the route if it may be one. */
  #keep(
    purpose: string,
    { leased, reuseUntilMs, servedMs }: Resolved,
    sent: Moment,
    since: readonly Revoked[],
  ): boolean {
    const { leases, marginMs } = this.#deps;
    if (reuseUntilMs === undefined || leased.facts.payer !== "BYOK") {
      remember(this.#singleUse, purpose);
      return false;
    }
    this.#singleUse.delete(purpose);
    if (since.some((revoked) => isRevoked(leased.facts, revoked))) return false;
    const lengthMs = leaseLengthMs({ reuseUntilMs, servedMs, sentWallMs: sent.wallMs, marginMs });
    if (lengthMs <= 0) return false;
    leases.put(purpose, { leased, sent, lengthMs });
    return true;
  }

  #now(): Moment {
    const { clock } = this.#deps;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }
}

function checkWanted({ account, agent, model, callId, estimate }: WantedCall): void {
  checked((fields: FieldChecker) => {
    fields.id("account", account);
    fields.id("agent", agent);
    fields.text("model", model, 1, LIMITS.modelMaxChars);
    fields.externalId("call_id", callId);
    for (const [name, tokens] of Object.entries(estimate ?? {}))
      fields.check(
        Number.isSafeInteger(tokens) && tokens >= 0,
        `estimate.${name}`,
        "must be a whole number, 0 or more",
      );
  });
}

/** What a lease serves. No field holds a line break. */
function purposeOf({ account, agent, model, provider }: WantedCall): string {
  return `${account}\n${agent}\n${provider ?? ""}\n${model}`;
}

function remember(purposes: Set<string>, purpose: string): void {
  purposes.delete(purpose);
  purposes.add(purpose);
  if (purposes.size <= SINGLE_USE_MAX) return;
  for (const oldest of purposes) {
    purposes.delete(oldest);
    return;
  }
}

/** Waits for another call's answer, but not longer than the own call lives. */
async function waitFor(leader: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return leader;
  if (signal.aborted) throw cancelled();
  let stop = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(cancelled());
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    await Promise.race([leader, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function cancelled(): HostError {
  return new HostError({ code: "CANCELLED", reason: "CANCELLED", message: "The call was cancelled." });
}
