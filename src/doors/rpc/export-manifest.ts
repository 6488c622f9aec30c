import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Charge, ChargeSchema } from "../../gen/plori/ledger/v1/ledger_pb.ts";
import { type ExportManifest, ExportManifestSchema } from "../../gen/plori/ledger/v1/ledger_service_pb.ts";
import { creditsMessage } from "./credits-message.ts";

const LENGTH_BYTES = 4;

/** Adds up what an export sends, for the manifest at its end. */
export class ManifestBuilder {
  readonly #hash = createHash("sha256");
  #charges = 0n;
  #amountNano = 0n;
  #first = 0n;
  #last: bigint;
  #lastAccount: string;

  /** Where the export begins: after this charge of this account. */
  constructor(afterAccount: string, afterSequence: bigint) {
    this.#lastAccount = afterAccount;
    this.#last = afterSequence;
  }

  /** The next charge that is sent, and what it cost in nano-credits. */
  add(charge: Charge, amountNano: bigint): void {
    const bytes = toBinary(ChargeSchema, charge);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(bytes.length);
    this.#hash.update(length).update(bytes);
    if (this.#charges === 0n) this.#first = charge.sequence;
    this.#charges += 1n;
    this.#amountNano += amountNano;
    this.#last = charge.sequence;
    this.#lastAccount = charge.account;
  }

  /** All that was sent. Call it once, at the end. */
  message(): ExportManifest {
    return create(ExportManifestSchema, {
      charges: this.#charges,
      amount: creditsMessage(this.#amountNano),
      firstSequence: this.#first,
      lastSequence: this.#last,
      lastAccount: this.#lastAccount,
      sha256: this.#hash.digest("hex"),
    });
  }
}
