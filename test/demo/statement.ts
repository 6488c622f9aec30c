import { type Charge, UsageKind } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { UsageGrouping } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { listCharges, readBalance } from "./account.ts";
import { creditsText, nanoOf } from "./credits.ts";
import { expectSame } from "./expectation.ts";
import { expectAddsUp } from "./price-list.ts";
import { ACCOUNT, type Stage } from "./stage.ts";

/**
 * Tells what the account got, what the day cost and what its own keys saved, and expects that the balance, the grants, all the charges and their sums agree to
 * the nano-credit.
 */
export async function tellStatement(stage: Stage): Promise<void> {
  const charges = await listCharges(stage);
  const balance = await readBalance(stage);
  charges.forEach(expectAddsUp);
  const ofKind = (kind: UsageKind): Charge[] => charges.filter((charge) => charge.kind === kind);
  const own = charges.filter(({ payer }) => payer === Payer.BYOK);
  const hosted = ofKind(UsageKind.MODEL_CALL).filter(({ payer }) => payer === Payer.HOSTED);
  const compute = ofKind(UsageKind.COMPUTE);
  const disk = ofKind(UsageKind.DISK);
  const grantedNano = nanoOf(balance.granted, "the granted credits");
  const availableNano = nanoOf(balance.available, "the available credits");
  const costNano = sumNano(charges);
  const savedNano = sumNano(own, (charge) => charge.listAmount);
  expectSame("what calls on own keys cost", sumNano(own), 0n);
  expectSame("whether own keys saved something", savedNano > 0n, true);
  expectSame("whether compute and disk cost something", [sumNano(compute) > 0n, sumNano(disk) > 0n], [true, true]);
  expectSame("the spent credits", nanoOf(balance.spent, "the spent credits"), costNano);
  expectSame("the available credits", availableNano, grantedNano - costNano);
  expectSame("held and overdrawn", [nanoOf(balance.held, "held"), nanoOf(balance.overdraft, "overdraft")], [0n, 0n]);
  expectSame("the number of charges", hosted.length + compute.length + disk.length + own.length, charges.length);
  expectSame(
    "the sequence of the charges, newest first",
    charges.map(({ sequence }) => sequence),
    charges.map((_, index) => BigInt(charges.length - index)),
  );
  expectSame("what the day cost and saved, as summed up by the service", await readSums(stage), [costNano, savedNano]);
  const row = (what: string, nano: bigint, note = ""): void =>
    stage.tell.line(`    ${what.padEnd(40)}${creditsText(nano).padStart(10)}${note}`);
  stage.tell.heading("", `${ACCOUNT}'s account, in credits`);
  row("granted", grantedNano);
  row(`${hosted.length} hosted model calls`, -sumNano(hosted));
  row(`compute, ${compute.length} records`, -sumNano(compute));
  row(`disk, ${disk.length} records`, -sumNano(disk));
  row(`${own.length} model calls on ${ACCOUNT}'s own keys`, -sumNano(own));
  row("available", availableNano);
  stage.tell.line("");
  row("the day cost", costNano);
  row("own keys saved, at list price", savedNano, `   without them it had cost ${creditsText(costNano + savedNano)}`);
}

/** What everything cost, and what calls on own keys would have cost, from the service's own sums. */
async function readSums(stage: Stage): Promise<[bigint, bigint]> {
  const groupBy = [UsageGrouping.KIND, UsageGrouping.PAYER];
  const { summaries } = await stage.as("settings").ledger.summarizeUsage({ account: ACCOUNT, groupBy });
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
  const own = summaries.filter(({ payer }) => payer === Payer.BYOK);
  return [
    sum(summaries.map(({ amount }) => nanoOf(amount, "a sum"))),
    sum(own.map(({ listAmount }) => nanoOf(listAmount, "a sum at list price"))),
  ];
}

function sumNano(charges: readonly Charge[], amountOf = ({ amount }: Charge) => amount): bigint {
  return charges.reduce((sum, charge) => {
    const amount = amountOf(charge);
    return amount === undefined ? sum : sum + nanoOf(amount, "a charge");
  }, 0n);
}
