import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { formatCredits, fromCredits } from "../base/credits.ts";
import { type Charge, ChargeSchema } from "../gen/plori/ledger/v1/ledger_pb.ts";
import type { ExportManifest } from "../gen/plori/ledger/v1/ledger_service_pb.ts";
import { amountNano } from "./charge-columns.ts";

const LENGTH_BYTES = 4;

/** Adds up what was received, to be held against the manifest at the end. */
export class Received {
  readonly #hash = createHash("sha256");
  #charges = 0n;
  #amountNano = 0n;
  #first = 0n;
  #account: string;
  #sequence: bigint;

  /** Where the stream begins: after this charge of this account; "" and 0: at the first. */
  constructor(account: string, sequence: bigint) {
    this.#account = account;
    this.#sequence = sequence;
  }

  get charges(): bigint {
    return this.#charges;
  }

  /** The next charge. Throws when it cannot come after the one before. */
  add(charge: Charge): void {
    const { account, sequence } = charge;
    // The first charge of an account may have any number, since an export may begin at a time.
    const isNext = sequence === this.#sequence + 1n || (this.#charges === 0n && this.#sequence === 0n);
    if (account < this.#account || (account === this.#account && !isNext))
      throw new Error(`${charge.name} does not follow accounts/${this.#account}/charges/${this.#sequence}`);
    const bytes = toBinary(ChargeSchema, charge);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    this.#hash.update(length).update(bytes);
    if (this.#charges === 0n) this.#first = sequence;
    this.#charges += 1n;
    this.#amountNano += amountNano(charge);
    this.#account = account;
    this.#sequence = sequence;
  }

  /** Everything in which the manifest differs from what was received, as sentences. Call it once, at the end. */
  differences(manifest: ExportManifest): readonly string[] {
    const differences: string[] = [];
    const compare = (what: string, sent: unknown, received: unknown): void => {
      if (sent !== received) differences.push(`${what}: the service sent ${sent}, here arrived ${received}`);
    };
    const sentNano = manifest.amount === undefined ? undefined : fromCredits(manifest.amount);
    compare("charges", manifest.charges, this.#charges);
    compare("amount", sentNano === undefined ? "" : formatCredits(sentNano), formatCredits(this.#amountNano));
    compare("first sequence", manifest.firstSequence, this.#first);
    compare("last sequence", manifest.lastSequence, this.#sequence);
    compare("last account", manifest.lastAccount, this.#account);
    compare("SHA-256", manifest.sha256, this.#hash.digest("hex"));
    return differences;
  }

  /** What was received, for people. */
  describe(): string {
    return `${this.#charges} charges, ${formatCredits(this.#amountNano)} credits`;
  }
}
