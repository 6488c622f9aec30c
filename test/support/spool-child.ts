import { writeSync } from "node:fs";
import { connectHost, type HostOptions } from "../../src/client/connect-host.ts";

/** What the child records, and under which names. */
export interface ChildTask {
  readonly options: HostOptions;
  readonly name: string;
  readonly account: string;
  readonly agent: string;
  readonly route: string;
  /** Records under way at a time. */
  readonly width: number;
}

/** Records usage until it is killed, and prints the usage id of each record once it was told that the record is kept. */
async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2] ?? "") as ChildTask;
  const host = await connectHost(task.options);
  const lane = async (number: number): Promise<void> => {
    for (let count = 0; ; count += 1) {
      const callId = `${task.name}-${number}-${count}`;
      const { account, agent, route } = task;
      const providerUsage = { prompt_tokens: count, completion_tokens: number, total_tokens: count + number };
      const what = { usageId: callId, account, agent, route, callId, outcome: "SUCCEEDED", providerUsage } as const;
      await host.recordUsage({ ...what, occurMs: Date.now() });
      writeSync(1, `${callId}\n`);
    }
  };
  await Promise.all(Array.from({ length: task.width }, (_, number) => lane(number)));
}

if (import.meta.main) await main();
