import { ageMs, type Moment } from "./lease-length.ts";
import type { LeasedRoute } from "./route.ts";

/** Leases that must no longer be used, as the service tells it. Empty strings and 0n: whatever it is. */
export interface Revoked {
  readonly account: string;
  readonly agent: string;
  readonly key: string;
  /** This version of the key or an older one. */
  readonly keyVersion: bigint;
}

/** A route that may be reused. */
export interface Lease {
  readonly leased: LeasedRoute;
  /** When its request was sent. */
  readonly sent: Moment;
  /** How long after that it may be used. */
  readonly lengthMs: number;
}

/**
 * Routes that may be reused, by what they are for, at most `leasesMax`: the one that was unused the longest goes first. The credential of a lease that is
 * dropped is wiped.
 */
export class LeaseBook {
  readonly #leases = new Map<string, Lease>();
  readonly #leasesMax: number;

  constructor(leasesMax: number) {
    this.#leasesMax = leasesMax;
  }

  get size(): number {
    return this.#leases.size;
  }

  /** The lease for `purpose` if it may be used at `now`; one that may not any more is dropped. */
  find(purpose: string, now: Moment): LeasedRoute | undefined {
    const lease = this.#leases.get(purpose);
    if (lease === undefined) return undefined;
    if (ageMs(lease.sent, now) >= lease.lengthMs) {
      this.#drop(purpose, lease);
      return undefined;
    }
    // A map keeps the order of insertion: what was used last stands last.
    this.#leases.delete(purpose);
    this.#leases.set(purpose, lease);
    return lease.leased;
  }

  /** Takes a lease over, its credential included. */
  put(purpose: string, lease: Lease): void {
    const former = this.#leases.get(purpose);
    if (former !== undefined) this.#drop(purpose, former);
    this.#leases.set(purpose, lease);
    if (this.#leases.size <= this.#leasesMax) return;
    for (const [oldest, unused] of this.#leases) {
      this.#drop(oldest, unused);
      return;
    }
  }

  /** Drops what is revoked. */
  revoke(revoked: Revoked): void {
    this.#dropWhere(({ leased }) => isRevoked(leased.facts, revoked));
  }

  /** Drops the leases of one route. */
  dropRoute(id: string): void {
    this.#dropWhere(({ leased }) => leased.facts.id === id);
  }

  /** Drops what ran out. */
  sweep(now: Moment): void {
    this.#dropWhere(({ sent, lengthMs }) => ageMs(sent, now) >= lengthMs);
  }

  clear(): void {
    this.#dropWhere(() => true);
  }

  #dropWhere(isOver: (lease: Lease) => boolean): void {
    for (const [purpose, lease] of this.#leases) if (isOver(lease)) this.#drop(purpose, lease);
  }

  #drop(purpose: string, lease: Lease): void {
    this.#leases.delete(purpose);
    lease.leased.credential.wipe();
  }
}

/** Whether a revocation is about such a route. */
export function isRevoked(
  route: { readonly account: string; readonly agent: string; readonly key: string; readonly keyVersion: bigint },
  revoked: Revoked,
): boolean {
  return (
    (revoked.account === "" || revoked.account === route.account) &&
    (revoked.agent === "" || revoked.agent === route.agent) &&
    (revoked.key === "" || revoked.key === route.key) &&
    (revoked.keyVersion === 0n || route.keyVersion <= revoked.keyVersion)
  );
}
