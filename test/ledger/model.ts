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
  readonly amount: bigint;
  readonly rank: readonly (number | string)[];
  readonly from: number;
  readonly until: number;
  left: bigint;
  voided: boolean;
}

interface ModelHold {
  readonly id: string;
  readonly call: string;
  readonly amount: bigint;
  readonly parts: ReadonlyMap<ModelGrant, bigint>;
  until: number;
  /** What its call costs if nobody ever tells. */
  guess: readonly ModelLine[];
  state: "open" | "captured" | "expired" | "released";
  estimate: ModelEntry | undefined;
  /** The place in the log, from 1, of the charge that captured or estimates it. */
  charge: number | undefined;
}

/** One priced part of a charge. */
export interface ModelLine {
  readonly component: string;
  readonly quantity: bigint;
  readonly price: ModelPrice;
  readonly amount: bigint;
  readonly list: bigint;
}

/** A charge that the model can undo. */
interface ModelEntry {
  readonly amount: bigint;
  readonly lines: readonly ModelLine[];
  readonly parts: readonly (readonly [ModelGrant, bigint])[];
  readonly overdraft: bigint;
  /** The place in the log, from 1, of what this undoes; 0: nothing. */
  readonly reverses: number;
  undone: boolean;
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
  voided = 0n;
  overdraft = 0n;
  /** Every charge, in order; reversals stand here too, as undone. */
  readonly log: ModelEntry[] = [];
  /** Which grants made overdraft good, the newest last. */
  readonly #repaid: { grant: ModelGrant; amount: bigint }[] = [];
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
      for (const hold of this.#open().sort((a, b) => a.until - b.until)) {
        if (hold.until > moment) continue;
        hold.state = "expired";
        hold.estimate = this.#book(moment, hold.guess, hold.parts);
        hold.charge = this.log.length;
      }
      this.#settle(moment);
    }
  }

  grant(
    now: number,
    order: { id: string; amount: bigint; priority: number; paid: boolean; from: number; until: number },
  ): void {
    this.tick(now);
    const { id, amount, priority, paid, from, until } = order;
    this.grants.push({
      id,
      amount,
      rank: [priority, until, paid ? 1 : 0, from, id],
      from,
      until,
      left: amount,
      voided: false,
    });
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
    order: { id: string; call: string; input: bigint; output: bigint; least: bigint; ttl: number },
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
    const earlier = this.holds.findLast((candidate) => candidate.call === order.call);
    if (earlier?.state === "expired") this.#drop(now, earlier);
    const amount = cost(low);
    const { parts } = this.#meet(amount, now, new Map());
    this.holds.push({
      id: order.id,
      call: order.call,
      amount,
      parts,
      until: now + order.ttl,
      guess: callLines(book, order.input, 0n),
      state: "open",
      estimate: undefined,
      charge: undefined,
    });
    return { output: low, amount };
  }

  /** Charges what was used against the call's hold, or without one. */
  charge(now: number, lines: readonly ModelLine[], call?: string): ModelCharge {
    this.tick(now);
    const newest = this.holds.findLast((candidate) => candidate.call === call);
    const hold = newest?.state === "captured" ? undefined : newest;
    let own: ReadonlyMap<ModelGrant, bigint> = hold?.state === "open" ? hold.parts : new Map();
    if (hold?.estimate?.undone === false) {
      own = new Map(hold.estimate.parts);
      this.#undo(hold.estimate);
    }
    if (hold !== undefined) hold.state = "captured";
    const entry = this.#book(now, lines, own, hold);
    return {
      amount: entry.amount,
      draws: entry.parts.map(([grant, part]) => [grant.id, part] as const),
      overdraft: entry.overdraft,
    };
  }

  /** Undoes the charge at this place of the log, unless that was done. */
  reverse(now: number, place: number): boolean {
    this.tick(now);
    const entry = this.log[place];
    if (entry === undefined || entry.undone) return false;
    this.#undo(entry);
    this.#settle(now);
    return true;
  }

  /** Gives up the call's newest hold. */
  release(now: number, call: string): void {
    this.tick(now);
    const hold = this.holds.findLast((candidate) => candidate.call === call);
    if (hold?.state === "open" || hold?.state === "expired") this.#drop(now, hold);
  }

  /** Keeps the call's newest hold longer, if it is open; `guess` is what it costs if nobody ever tells. */
  extend(now: number, call: string, until: number, guess: readonly ModelLine[]): boolean {
    this.tick(now);
    const hold = this.holds.findLast((candidate) => candidate.call === call);
    if (hold?.state !== "open") return false;
    hold.until = until;
    hold.guess = guess;
    return true;
  }

  /** Takes back what is left of a grant. */
  void(now: number, id: string): void {
    this.tick(now);
    const grant = this.grants.find((candidate) => candidate.id === id);
    if (grant !== undefined) grant.voided = true;
    this.#settle(now);
  }

  #drop(now: number, hold: ModelHold): void {
    if (hold.estimate?.undone === false) this.#undo(hold.estimate);
    hold.state = "released";
    hold.charge = undefined;
    this.#settle(now);
  }

  #book(
    now: number,
    lines: readonly ModelLine[],
    own: ReadonlyMap<ModelGrant, bigint>,
    captured?: ModelHold,
  ): ModelEntry {
    const amount = costOf(lines);
    const { parts, missing } = this.#meet(amount, now, own);
    for (const [grant, part] of parts) grant.left -= part;
    this.spent += amount;
    this.overdraft += missing;
    const entry = { amount, lines, parts: [...parts], overdraft: missing, reverses: 0, undone: false };
    this.log.push(entry);
    if (captured !== undefined) captured.charge = this.log.length;
    this.#settle(now);
    return entry;
  }

  #undo(entry: ModelEntry): void {
    entry.undone = true;
    this.spent -= entry.amount;
    for (const [grant, part] of entry.parts) grant.left += part;
    this.overdraft -= entry.overdraft;
    while (this.overdraft < 0n) {
      const newest = this.#repaid.at(-1);
      if (newest === undefined) throw new Error("the model repaid nothing");
      const back = newest.amount < -this.overdraft ? newest.amount : -this.overdraft;
      newest.grant.left += back;
      newest.amount -= back;
      this.overdraft += back;
      if (newest.amount === 0n) this.#repaid.pop();
    }
    this.log.push({
      amount: -entry.amount,
      lines: entry.lines.map(negated),
      parts: entry.parts.toReversed().map(([grant, part]) => [grant, -part] as const),
      overdraft: -entry.overdraft,
      reverses: this.log.indexOf(entry) + 1,
      undone: true,
    });
  }

  #settle(now: number): void {
    for (const grant of this.grants) {
      if (grant.until > now && !grant.voided) continue;
      const lapsed = this.#free(grant);
      grant.left -= lapsed;
      if (grant.voided) this.voided += lapsed;
      else this.expired += lapsed;
    }
    for (const grant of this.grants) {
      if (!live(grant, now)) continue;
      const free = this.#free(grant);
      const repaid = free < this.overdraft ? free : this.overdraft;
      if (repaid > 0n) this.#repaid.push({ grant, amount: repaid });
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
export function callLines(book: ModelBook, input: bigint, output: bigint): readonly ModelLine[] {
  return [
    ...line("INPUT_UNCACHED", input, applicable(book.input, input)),
    ...line("OUTPUT", output, applicable(book.output, input)),
  ];
}

/** What disk costs by the book. */
export function diskLines(book: ModelBook, byteSeconds: bigint): readonly ModelLine[] {
  return line("DISK", byteSeconds, book.disk);
}

/** The same usage on the user's own key. */
export function waived(lines: readonly ModelLine[]): readonly ModelLine[] {
  return lines.map((one) => ({ ...one, amount: 0n }));
}

/** What lines come to. */
export function costOf(lines: readonly ModelLine[]): bigint {
  return lines.reduce((sum, { amount }) => sum + amount, 0n);
}

function line(component: string, quantity: bigint, price: ModelPrice): readonly ModelLine[] {
  if (quantity === 0n) return [];
  const amount = exact(quantity, price);
  return [{ component, quantity, price, amount, list: amount }];
}

function negated(one: ModelLine): ModelLine {
  return { ...one, quantity: -one.quantity, amount: -one.amount, list: -one.list };
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
  return grant.from <= now && now < grant.until && !grant.voided;
}

function compareRanks(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index];
    if (right === undefined || left === right) continue;
    return left < right ? -1 : 1;
  }
  return 0;
}
