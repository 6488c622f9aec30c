import { timestampNow } from "@bufbuild/protobuf/wkt";
import { RecordOutcome } from "../../src/gen/plori/ledger/v1/ledger_service_pb.ts";
import { Payer } from "../../src/gen/plori/type/v1/type_pb.ts";
import { creditsOf, nanoOf } from "./credits.ts";
import { expectSame, present } from "./expectation.ts";
import { expectAddsUp } from "./price-list.ts";
import { ACCOUNT, AGENT, type Stage } from "./stage.ts";

const HOUR_MS = 3_600_000n;
const HOUR_SECONDS = 3_600n;
const GIB_BYTES = 1_073_741_824n;

/** An hour of 2 processors with 4 GiB of memory: at 4 credits a processor hour and half a credit a GiB hour. */
export const COMPUTE_NANO = creditsOf("10");
/** An hour of 72 GiB of disk: at a tenth of a credit a GiB month of 30 days. */
export const DISK_NANO = creditsOf("0.01");

/** Records that much compute and disk for the agent, in one request, as the recorder does. Expects two new charges of exactly the above. */
export async function recordMeters(stage: Stage, interval: string): Promise<void> {
  const common = { account: ACCOUNT, agent: AGENT, occurTime: timestampNow() };
  const { results } = await stage.as("recorder").ledger.recordUsage({
    records: [
      {
        ...common,
        usageId: `computer-of-${AGENT}/${interval}`,
        kind: {
          case: "compute",
          value: {
            vcpuMilliseconds: 2n * HOUR_MS,
            memoryMibMilliseconds: 4n * 1024n * HOUR_MS,
          },
        },
      },
      {
        ...common,
        usageId: `disk-of-${AGENT}/${interval}`,
        kind: { case: "disk", value: { byteSeconds: 72n * GIB_BYTES * HOUR_SECONDS } },
      },
    ],
  });
  const charges = results.map(({ outcome, charge }) => {
    expectSame("the outcome of recording a meter", outcome, RecordOutcome.CREATED);
    return present(charge, "the meter's charge");
  });
  charges.forEach(expectAddsUp);
  expectSame(
    "what compute and disk cost",
    charges.map((charge) => nanoOf(charge.amount, "the amount")),
    [COMPUTE_NANO, DISK_NANO],
  );
  expectSame(
    "who pays for compute and disk",
    charges.map(({ payer }) => payer),
    [Payer.HOSTED, Payer.HOSTED],
  );
}
