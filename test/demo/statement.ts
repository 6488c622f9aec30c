import type { Charge } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { UsageKind } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { listCharges, readBalance } from "./account.ts";
import { creditsText, nanoOf } from "./credits.ts";
import { expectSame } from "./expectation.ts";
import { expectAddsUp } from "./price-list.ts";
import { ACCOUNT, type Stage } from "./stage.ts";

/** Tells what the account got and spent, and expects that the balance, the grants and all the charges agree to the nano-credit. */
export async function tellStatement(stage: Stage): Promise<void> {
  const charges = await listCharges(stage);
  const balance = await readBalance(stage);
  charges.forEach(expectAddsUp);
  const isCall = ({ kind }: Charge): boolean => kind === UsageKind.MODEL_CALL;
  const own = charges.filter(({ payer }) => payer === Payer.BYOK);
  const hosted = charges.filter((charge) => isCall(charge) && charge.payer === Payer.HOSTED);
  const meters = charges.filter((charge) => !isCall(charge));
  const grantedNano = nanoOf(balance.granted, "the granted credits");
  const availableNano = nanoOf(balance.available, "the available credits");
  const savedNano = sumNano(own, (charge) => charge.listAmount);
  expectSame("what calls on own keys cost", sumNano(own), 0n);
  expectSame("the spent credits", nanoOf(balance.spent, "the spent credits"), sumNano(charges));
  expectSame("the available credits", availableNano, grantedNano - sumNano(charges));
  expectSame("held and overdrawn", [nanoOf(balance.held, "held"), nanoOf(balance.overdraft, "overdraft")], [0n, 0n]);
  expectSame("the number of charges", hosted.length + meters.length + own.length, charges.length);
  expectSame(
    "the sequence of the charges, newest first",
    charges.map(({ sequence }) => sequence),
    charges.map((_, index) => BigInt(charges.length - index)),
  );
  const row = (what: string, nano: bigint, note = ""): void =>
    stage.tell.line(`    ${what.padEnd(40)}${creditsText(nano).padStart(10)}${note}`);
  stage.tell.heading("", `${ACCOUNT}'s account, in credits`);
  row("granted", grantedNano);
  row(`${hosted.length} hosted model calls`, -sumNano(hosted));
  row(`compute and disk, ${meters.length} records`, -sumNano(meters));
  row(
    `${own.length} model calls on ${ACCOUNT}'s own keys`,
    -sumNano(own),
    `   saved ${creditsText(savedNano)} at list price`,
  );
  row("available", availableNano);
}

function sumNano(charges: readonly Charge[], amountOf = ({ amount }: Charge) => amount): bigint {
  return charges.reduce((sum, charge) => {
    const amount = amountOf(charge);
    return amount === undefined ? sum : sum + nanoOf(amount, "a charge");
  }, 0n);
}
