import { hash } from "node:crypto";
import type { ModelAccount } from "./model.ts";
import type { Dump } from "./tables.ts";

// The end state of a ledger in lines of text that a ledger and a model of it must both come to: what each account has, each grant with what is left and set
// aside of it, each hold with its fate, and each charge with its lines and with who paid.

/** One digest over a state's lines. */
export function digestOf(lines: readonly string[]): string {
  return hash("sha256", lines.join("\n"), "hex");
}

/** The state of a real ledger. */
export function linesOfLedger(dump: Dump): readonly string[] {
  return [
    ...dump.pools.map((pool) =>
      told("account", pool.account, {
        granted: pool.grantedNano,
        held: pool.heldNano,
        spent: pool.spentNano,
        expired: pool.expiredNano,
        voided: pool.voidedNano,
        overdraft: pool.overdraftNano,
        charges: pool.chargeSequence,
      }),
    ),
    ...dump.grants.map((grant) =>
      told("grant", `${grant.account}/${grant.grantId}`, {
        amount: grant.amountNano,
        left: grant.remainingNano,
        pinned: grant.pinnedNano,
        voided: grant.voidMs !== undefined,
      }),
    ),
    ...dump.holds.map((hold) =>
      told("hold", `${hold.account}/${hold.holdId}`, {
        call: hold.callId,
        amount: hold.amountNano,
        pins: hold.pins.map(({ grantId, amountNano }) => `${grantId}=${amountNano}`).join(),
        until: hold.expireMs,
        state: hold.state.toLowerCase(),
        charge: hold.chargeSequence ?? 0,
      }),
    ),
    ...dump.charges.map((charge) =>
      told("charge", `${charge.account}/${String(charge.sequence).padStart(6, "0")}`, {
        amount: charge.amountNano,
        overdraft: charge.overdraftNano,
        draws: charge.allocations.map(({ grantId, amountNano }) => `${grantId}=${amountNano}`).join(),
        lines: charge.lines
          .map((line) =>
            [line.component, line.quantity, line.pricePico, line.unitCount, line.amountNano, line.listNano].join(":"),
          )
          .join(),
        reverses: charge.reverses,
      }),
    ),
  ].sort();
}

/** The state of a model. Accounts that nothing was ever done to are left out, as in a ledger. */
export function linesOfModel(accounts: ReadonlyMap<string, ModelAccount>): readonly string[] {
  return [...accounts].flatMap(([name, account]) => linesOfAccount(name, account)).sort();
}

function linesOfAccount(name: string, account: ModelAccount): string[] {
  const { grants, holds, log } = account;
  if (grants.length + holds.length + log.length === 0) return [];
  const open = holds.filter((hold) => hold.state === "open");
  return [
    told("account", name, {
      granted: account.granted,
      held: account.held,
      spent: account.spent,
      expired: account.expired,
      voided: account.voided,
      overdraft: account.overdraft,
      charges: log.length,
    }),
    ...grants.map((grant) =>
      told("grant", `${name}/${grant.id}`, {
        amount: grant.amount,
        left: grant.left,
        pinned: open.reduce((sum, hold) => sum + (hold.parts.get(grant) ?? 0n), 0n),
        voided: grant.voided,
      }),
    ),
    ...holds.map((hold) =>
      told("hold", `${name}/${hold.id}`, {
        call: hold.call,
        amount: hold.amount,
        pins: [...hold.parts].map(([grant, amount]) => `${grant.id}=${amount}`).join(),
        until: hold.until,
        state: hold.state,
        charge: hold.charge ?? 0,
      }),
    ),
    ...log.map((entry, index) =>
      told("charge", `${name}/${String(index + 1).padStart(6, "0")}`, {
        amount: entry.amount,
        overdraft: entry.overdraft,
        draws: entry.parts.map(([grant, amount]) => `${grant.id}=${amount}`).join(),
        lines: entry.lines
          .map(({ component, quantity, price, amount, list }) =>
            [component, quantity, price.pico, price.per, amount, list].join(":"),
          )
          .join(),
        reverses: entry.reverses,
      }),
    ),
  ];
}

function told(kind: string, name: string, facts: Readonly<Record<string, bigint | number | string | boolean>>): string {
  return [
    kind,
    name,
    ...Object.entries(facts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([fact, value]) => `${fact} ${value}`),
  ].join(" | ");
}
