import type { Balance, Charge } from "../../src/gen/plori/ledger/v1/ledger_pb.ts";
import { nanoOf } from "./credits.ts";
import { present } from "./expectation.ts";
import { ACCOUNT, type Stage } from "./stage.ts";

const PAGE_SIZE = 500;

/** The user's balance, as the settings page asks for it. */
export async function readBalance(stage: Stage): Promise<Balance> {
  return present((await stage.as("settings").ledger.getBalance({ account: ACCOUNT })).balance, "the balance");
}

/** What the user can spend, in nano-credits. */
export async function availableNano(stage: Stage): Promise<bigint> {
  return nanoOf((await readBalance(stage)).available, "the available credits");
}

/** All of the user's charges, newest first. */
export async function listCharges(stage: Stage): Promise<readonly Charge[]> {
  const charges: Charge[] = [];
  let pageToken = "";
  do {
    const page = await stage.as("billing").ledger.listCharges({ account: ACCOUNT, pageSize: PAGE_SIZE, pageToken });
    charges.push(...page.charges);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return charges;
}
