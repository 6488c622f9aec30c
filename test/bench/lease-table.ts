interface Lease {
  readonly account: string;
  readonly untilMs: number;
}

/** The rule by which a host may reuse routes: one lease an agent and model, until its time, unless it was revoked or its agent ended. */
export class LeaseTable {
  readonly #leases = new Map<string, Lease>();
  readonly #reuseMs: number;

  constructor(reuseMs: number) {
    this.#reuseMs = reuseMs;
  }

  /** Whether there is a lease that may be used; when there is none, a new one begins. `name` is the agent and the model, "agent/model". */
  use(account: string, name: string, nowMs: number): boolean {
    const lease = this.#leases.get(name);
    if (lease !== undefined && nowMs < lease.untilMs) return true;
    this.#leases.set(name, { account, untilMs: nowMs + this.#reuseMs });
    return false;
  }

  /** Ends the leases of an agent. */
  endAgent(agent: string): void {
    for (const name of this.#leases.keys()) if (name.startsWith(`${agent}/`)) this.#leases.delete(name);
  }

  /** Ends every lease of an account. Returns how many could still be used. */
  revoke(account: string, nowMs: number): number {
    let usable = 0;
    for (const [name, lease] of this.#leases) {
      if (lease.account !== account) continue;
      if (nowMs < lease.untilMs) usable += 1;
      this.#leases.delete(name);
    }
    return usable;
  }
}
