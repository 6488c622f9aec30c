import { invariant } from "../../base/errors.ts";
import { chargeDigest, type StoredValue } from "../../ledger/charge-digest.ts";
import type { PriceBook } from "../../ledger/price-book.ts";
import type { ChargeRow, GrantRow, HoldRow, PoolRow, RollupRow, TransferRow } from "../../ledger/rows.ts";
import type { LedgerWrites } from "../../ledger/working-set.ts";
import { fromDraws, fromLines } from "./ledger-rows.ts";
import type { Connection } from "./open-database.ts";

const QUANTITY_COLUMNS = [
  "input_uncached",
  "cache_read",
  "cache_write",
  "output",
  "reasoning",
  "vcpu",
  "memory",
  "disk",
];
const SUMMED_COLUMNS = ["list_nano", ...QUANTITY_COLUMNS];

// Amounts are bounded by the pool's total; the other sums stop at what 64 bits hold rather than fail the transaction.
const STOP_AT_MAX = SUMMED_COLUMNS.map(
  (name) =>
    `${name} = CASE WHEN ${name} > 9223372036854775807 - excluded.${name} THEN 9223372036854775807 ELSE ${name} + excluded.${name} END`,
).join(", ");

/** A charge's columns in the order of `chargeValues`: what is digested, and so never to be reordered. */
export const CHARGE_COLUMN_NAMES = [
  "account",
  "sequence",
  "kind",
  "usage_id",
  "agent",
  "payer",
  "amount_nano",
  "list_nano",
  "overdraft_nano",
  "estimated",
  "price_version",
  "lines",
  "allocations",
  "provider",
  "model",
  "upstream_model",
  "route_id",
  "hold_id",
  "call_id",
  "attempt",
  "outcome",
  "key_version",
  "provider_cost_usd_nano",
  "provider_request_id",
  "record_text",
  "occur_ms",
  "record_ms",
  "reverses",
] as const;

/** Makes the function that writes what a batch of decisions changed, into the connection's current transaction. */
export function createLedgerWriter(db: Connection): (writes: LedgerWrites) => void {
  const upsertPool = db.prepare(`INSERT INTO pool
    (account, granted_nano, held_nano, spent_nano, expired_nano, overdraft_nano, voided_nano, charge_sequence, charge_digest, transfer_sequence,
     record_ms, due_ms, credit_level) VALUES (${marks(13)}) ON CONFLICT (account) DO UPDATE SET
    granted_nano = excluded.granted_nano, held_nano = excluded.held_nano, spent_nano = excluded.spent_nano, expired_nano = excluded.expired_nano,
    overdraft_nano = excluded.overdraft_nano, voided_nano = excluded.voided_nano, charge_sequence = excluded.charge_sequence,
    charge_digest = excluded.charge_digest, transfer_sequence = excluded.transfer_sequence,
    record_ms = excluded.record_ms, due_ms = excluded.due_ms, credit_level = excluded.credit_level`);
  const insertGrant = db.prepare(`INSERT INTO credit_grant
    (account, grant_id, amount_nano, remaining_nano, pinned_nano, priority, category, effective_ms, expire_ms, create_ms, void_ms) VALUES (${marks(11)})`);
  const updateGrant = db.prepare(
    "UPDATE credit_grant SET remaining_nano = ?, pinned_nano = ?, void_ms = ? WHERE account = ? AND grant_id = ?",
  );
  const insertHold = db.prepare(`INSERT INTO hold
    (account, hold_id, host, agent, call_id, route_id, model, price_version, input_tokens, requested_output_tokens, max_output_tokens, amount_nano, pins,
     create_ms, expire_ms, state, resolve_ms, charge_sequence, used_so_far) VALUES (${marks(19)})`);
  // A hold that was captured is never touched again; that the row count is looked at makes a second resolution impossible, not only unlikely.
  const updateHold = db.prepare(
    "UPDATE hold SET state = ?, resolve_ms = ?, charge_sequence = ?, expire_ms = ?, used_so_far = ? WHERE account = ? AND hold_id = ? AND state <> 'CAPTURED'",
  );
  const insertCharge = db.prepare(
    `INSERT INTO charge (${CHARGE_COLUMN_NAMES.join(", ")}, digest) VALUES (${marks(CHARGE_COLUMN_NAMES.length + 1)})`,
  );
  const insertTransfer = db.prepare(`INSERT INTO transfer
    (account, sequence, debit, credit, amount_nano, code, cause_id, book_ms) VALUES (${marks(8)})`);
  const upsertRollup = db.prepare(`INSERT INTO rollup
    (account, hour, agent, kind, payer, provider, model, charges, amount_nano, ${SUMMED_COLUMNS.join(", ")}) VALUES (${marks(18)})
    ON CONFLICT (account, hour, agent, kind, payer, provider, model) DO UPDATE SET
    charges = charges + excluded.charges, amount_nano = amount_nano + excluded.amount_nano, ${STOP_AT_MAX}`);
  const insertVersion = db.prepare(
    "INSERT INTO price_version (version, content_hash, effective_ms, publish_ms, item_count) VALUES (?, ?, ?, ?, ?)",
  );
  const insertItem = db.prepare(`INSERT INTO price_item
    (version, component, provider, model, min_input_tokens, price_pico, unit_count) VALUES (${marks(7)})`);

  function writeHoldEnd(hold: HoldRow): void {
    const { changes } = updateHold.run(
      hold.state,
      hold.resolveMs ?? null,
      hold.chargeSequence ?? null,
      hold.expireMs,
      hold.usedSoFar,
      hold.account,
      hold.holdId,
    );
    if (changes !== 1) throw new Error(`invariant broken: hold ${hold.holdId} was resolved twice`);
  }

  return (writes) => {
    for (const book of writes.priceBooks) writeBook(book);
    // Before the pools: each account's holds the digest of its newest charge.
    writeCharges(writes);
    for (const pool of writes.pools) upsertPool.run(...poolValues(pool));
    for (const grant of writes.newGrants) insertGrant.run(...grantValues(grant));
    for (const grant of writes.changedGrants)
      updateGrant.run(grant.remainingNano, grant.pinnedNano, grant.voidMs ?? null, grant.account, grant.grantId);
    for (const hold of writes.newHolds) insertHold.run(...holdValues(hold));
    for (const hold of writes.changedHolds) writeHoldEnd(hold);
    for (const transfer of writes.transfers) insertTransfer.run(...transferValues(transfer));
    for (const rollup of writes.rollups) upsertRollup.run(...rollupValues(rollup));
  };

  function writeCharges({ charges, pools }: LedgerWrites): void {
    if (charges.length === 0) return;
    const poolOf = new Map(pools.map((pool) => [pool.account, pool]));
    for (const charge of charges) {
      const pool = poolOf.get(charge.account);
      invariant(pool !== undefined, "a charge changes its account's pool");
      const columns = chargeValues(charge);
      pool.chargeDigest = chargeDigest(pool.chargeDigest, columns);
      insertCharge.run(...columns, pool.chargeDigest);
    }
  }

  function writeBook({ version, items }: PriceBook): void {
    insertVersion.run(version.version, version.contentHash, version.effectiveMs, version.publishMs, version.itemCount);
    for (const item of items) {
      insertItem.run(
        version.version,
        item.component,
        item.provider,
        item.model,
        item.minInputTokens,
        item.pricePico,
        item.unitCount,
      );
    }
  }
}

type Values = readonly StoredValue[];

function poolValues(pool: PoolRow): Values {
  return [
    pool.account,
    pool.grantedNano,
    pool.heldNano,
    pool.spentNano,
    pool.expiredNano,
    pool.overdraftNano,
    pool.voidedNano,
    pool.chargeSequence,
    pool.chargeDigest,
    pool.transferSequence,
    pool.recordMs,
    pool.dueMs ?? null,
    pool.creditLevel,
  ];
}

function grantValues(grant: GrantRow): Values {
  return [
    grant.account,
    grant.grantId,
    grant.amountNano,
    grant.remainingNano,
    grant.pinnedNano,
    grant.priority,
    grant.category,
    grant.effectiveMs,
    grant.expireMs ?? null,
    grant.createMs,
    grant.voidMs ?? null,
  ];
}

function holdValues(hold: HoldRow): Values {
  return [
    hold.account,
    hold.holdId,
    hold.host,
    hold.agent,
    hold.callId,
    hold.routeId,
    hold.model,
    hold.priceVersion,
    hold.inputTokens,
    hold.requestedOutputTokens,
    hold.maxOutputTokens,
    hold.amountNano,
    fromDraws(hold.pins),
    hold.createMs,
    hold.expireMs,
    hold.state,
    hold.resolveMs ?? null,
    hold.chargeSequence ?? null,
    hold.usedSoFar,
  ];
}

/** A charge's columns as they are stored and digested, without the digest itself. */
function chargeValues(charge: ChargeRow): Values {
  return [
    charge.account,
    charge.sequence,
    charge.kind,
    charge.usageId,
    charge.agent,
    charge.payer,
    charge.amountNano,
    charge.listNano ?? null,
    charge.overdraftNano,
    charge.estimated ? 1 : 0,
    charge.priceVersion,
    fromLines(charge.lines),
    fromDraws(charge.allocations),
    charge.provider ?? null,
    charge.model,
    charge.upstreamModel,
    charge.routeId,
    charge.holdId,
    charge.callId,
    charge.attempt,
    charge.outcome ?? null,
    charge.keyVersion,
    charge.providerCostUsdNano ?? null,
    charge.providerRequestId,
    charge.recordText,
    charge.occurMs,
    charge.recordMs,
    charge.reverses,
  ];
}

function transferValues(transfer: TransferRow): Values {
  return [
    transfer.account,
    transfer.sequence,
    transfer.debit,
    transfer.credit,
    transfer.amountNano,
    transfer.code,
    transfer.causeId,
    transfer.bookMs,
  ];
}

function rollupValues(rollup: RollupRow): Values {
  const { quantities } = rollup;
  return [
    rollup.account,
    rollup.hour,
    rollup.agent,
    rollup.kind,
    rollup.payer,
    rollup.provider,
    rollup.model,
    rollup.charges,
    rollup.amountNano,
    rollup.listNano,
    quantities.INPUT_UNCACHED,
    quantities.CACHE_READ,
    quantities.CACHE_WRITE,
    quantities.OUTPUT,
    quantities.REASONING,
    quantities.VCPU,
    quantities.MEMORY,
    quantities.DISK,
  ];
}

function marks(count: number): string {
  return Array(count).fill("?").join(", ");
}
