import { availableNano } from "../account.ts";
import { creditsText } from "../credits.ts";
import { expectSame, expectThat } from "../expectation.ts";
import { listKeys } from "../keys.ts";
import { COMPUTE_NANO, DISK_NANO, recordMeters } from "../meters.ts";
import { ACCOUNT, type Stage } from "../stage.ts";

/** With keys connected, the agent's computer and disk cost what they cost without. */
export async function computeAndDiskCost(stage: Stage): Promise<void> {
  const keys = await listKeys(stage);
  expectThat(keys.length > 0, "the account has keys of its own");
  const beforeNano = await availableNano(stage);
  await recordMeters(stage, "afternoon");
  const balanceNano = await availableNano(stage);
  expectSame("the balance after compute and disk", balanceNano, beforeNano - COMPUTE_NANO - DISK_NANO);
  stage.tell.step({
    who: "recorder",
    asks: `the same meters, though ${ACCOUNT} has ${keys.length} keys`,
    gets: `charged ${creditsText(COMPUTE_NANO)} + ${creditsText(DISK_NANO)}`,
    balanceNano,
  });
}
