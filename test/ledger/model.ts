import { roundHalfEven } from "./invariants.ts";

/** A price as the model knows it: pico for a number of units, from so many input tokens on. */
export interface ModelPrice {
  readonly from: bigint;
  readonly pico: bigint;
  readonly per: bigint;
}

/** The prices of one version. */
export interface ModelBook {
  readonly input: readonly ModelPrice[];
  readonly output: readonly ModelPrice[];
  readonly disk: ModelPrice;
}

interface ModelGrant {
  readonly id: string;
  readonly rank: readonly (number | string)[];
  readonly from: number;
  readonly until: number;
  left: bigint;
}

interface ModelHold {
  readonly call: string;
  readonly amount: bigint;
  readonly parts: ReadonlyMap<ModelGrant, bigint>;
  readonly until: number;
  state: "open" | "captured" | "expired";
}

/** What the model says that a charge must be. */
export interface ModelCharge {
  readonly amount: bigint;
  readonly draws: readonly (readonly [grantId: string, amount: bigint])[];
  readonly overdraft: bigint;
}

/** One account's ledger in the plainest words: lists that are sorted and summed anew for every question. */
export class ModelAccount {
  readonly grants: ModelGrant[] = [];
  readonly holds: ModelHold[] = [];
  granted = 0n;
  spent = 0n;
  expired = 0n;
  overdraft = 0n;
  charges = 0;
  #ticked = 0;

  /** Lets time pass, moment by moment: holds end, then grants end, then overdraft is made good. */
  tick(now: number): void {
    const moments = [
      ...this.holds.map((hold) => hold.until),
      ...this.grants.flatMap(({ from, until }) => [from, until]),
    ];
    for (const moment of [...moments.filter((at) => at <= now).sort((a, b) => a - b), now]) {
      if (moment < this.#ticked) continue;
      this.#ticked = moment;
      for (const hold of this.holds) if (hold.state === "open" && hold.until <= moment) hold.state = "expired";
      this.#settle(moment);
    }
  }

  grant(
    now: number,
    order: { id: string; amount: bigint; priority: number; paid: boolean; from: number; until: number },
  ): void {
    this.tick(now);
    const { id, amount, priority, paid, from, until } = order;
    this.grants.push({ id, rank: [priority, until, paid ? 1 : 0, from, id], from, until, left: amount });
    this.grants.sort((a, b) => compareRanks(a.rank, b.rank));
    this.granted += amount;
    this.#settle(now);
  }

  get held(): bigint {
    return this.#open().reduce((sum, hold) => sum + hold.amount, 0n);
  }

  isOpen(call: string): boolean {
    return this.#open().some((hold) => hold.call === call);
  }

  available(now: number): bigint {
    return this.grants.reduce((sum, grant) => (live(grant, now) ? sum + this.#free(grant) : sum), 0n);
  }

  /** Sets credits aside, or says "exhausted". The most output tokens are found by trying, not by dividing. */
  hold(
    now: number,
    book: ModelBook,
    order: { call: string; input: bigint; output: bigint; least: bigint; ttl: number },
  ): { output: bigint; amount: bigint } | "exhausted" {
    this.tick(now);
    const cost = (output: bigint): bigint =>
      ceiling(order.input, dearest(book.input, order.input)) + ceiling(output, dearest(book.output, order.input));
    const available = this.available(now);
    let low = -1n;
    let high = order.output;
    while (low < high) {
      const middle = (low + high + 1n) / 2n;
      const probe = middle > low ? middle : high;
      if (cost(probe) <= available) low = probe;
      else high = probe - 1n;
    }
    const least = order.least < order.output ? order.least : order.output;
    if (low < least) return "exhausted";
    const amount = cost(low);
    const { parts } = this.#meet(amount, now, new Map());
    this.holds.push({ call: order.call, amount, parts, until: now + order.ttl, state: "open" });
    return { output: low, amount };
  }

  /** Charges a hosted call's tokens against its hold, or without one. */
  charge(now: number, amount: bigint, call?: string): ModelCharge {
    this.tick(now);
    const hold = this.holds.findLast((candidate) => candidate.call === call && candidate.state !== "captured");
    const own = hold?.state === "open" ? hold.parts : new Map<ModelGrant, bigint>();
    if (hold !== undefined) hold.state = "captured";
    const { parts, missing } = this.#meet(amount, now, own);
    for (const [grant, part] of parts) grant.left -= part;
    this.spent += amount;
    this.overdraft += missing;
    this.charges += 1;
    this.#settle(now);
    return { amount, draws: [...parts].map(([grant, part]) => [grant.id, part] as const), overdraft: missing };
  }

  #settle(now: number): void {
    for (const grant of this.grants) {
      if (grant.until > now) continue;
      const lapsed = this.#free(grant);
      grant.left -= lapsed;
      this.expired += lapsed;
    }
    for (const grant of this.grants) {
      if (!live(grant, now)) continue;
      const free = this.#free(grant);
      const repaid = free < this.overdraft ? free : this.overdraft;
      grant.left -= repaid;
      this.overdraft -= repaid;
    }
  }

  #meet(
    amount: bigint,
    now: number,
    own: ReadonlyMap<ModelGrant, bigint>,
  ): { parts: Map<ModelGrant, bigint>; missing: bigint } {
    const parts = new Map<ModelGrant, bigint>();
    let missing = amount;
    for (const grant of this.grants) {
      const usable = live(grant, now) ? this.#free(grant) : (own.get(grant) ?? 0n);
      const part = usable < missing ? usable : missing;
      if (part > 0n) parts.set(grant, part);
      missing -= part;
    }
    return { parts, missing };
  }

  #free(grant: ModelGrant): bigint {
    return this.#open().reduce((left, hold) => left - (hold.parts.get(grant) ?? 0n), grant.left);
  }

  #open(): ModelHold[] {
    return this.holds.filter((hold) => hold.state === "open");
  }
}

/** What tokens cost by the book. */
export function callCost(book: ModelBook, input: bigint, output: bigint): bigint {
  return exact(input, applicable(book.input, input)) + exact(output, applicable(book.output, input));
}

/** What disk costs by the book. */
export function diskCost(book: ModelBook, byteSeconds: bigint): bigint {
  return exact(byteSeconds, book.disk);
}

function exact(quantity: bigint, price: ModelPrice): bigint {
  return roundHalfEven(quantity * price.pico, price.per * 1000n);
}

function ceiling(quantity: bigint, price: ModelPrice): bigint {
  const numerator = quantity * price.pico;
  const denominator = price.per * 1000n;
  return numerator / denominator + (numerator % denominator === 0n ? 0n : 1n);
}

function applicable(prices: readonly ModelPrice[], input: bigint): ModelPrice {
  const reached = prices.filter((price) => price.from <= input);
  return reached.reduce((most, price) => (price.from > most.from ? price : most));
}

function dearest(prices: readonly ModelPrice[], input: bigint): ModelPrice {
  const reached = prices.filter((price) => price.from <= input);
  return reached.reduce((most, price) => (price.pico * most.per > most.pico * price.per ? price : most));
}

function live(grant: ModelGrant, now: number): boolean {
  return grant.from <= now && now < grant.until;
}

function compareRanks(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right === undefined || left === right) continue;
    return left < right ? -1 : 1;
  }
  return 0;
}
