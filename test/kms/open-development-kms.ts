import { type AwsKmsLimits, createAwsKms } from "../../src/kms/aws.ts";
import { type DevelopmentKms, type DevelopmentKmsOptions, startDevelopmentKms } from "../../src/kms/development.ts";
import type { Kms } from "../../src/kms/kms.ts";

/** Short enough for a test that waits for a limit to pass. */
export const HASTY: Partial<AwsKmsLimits> = { attemptMaxMs: 150, totalMaxMs: 400 };
/** Long enough for a busy machine, in tests that wait for no limit. */
export const PATIENT: Partial<AwsKmsLimits> = { attemptMaxMs: 10_000, totalMaxMs: 20_000 };

/** A patient AWS client over real HTTP to a development KMS of its own; `connect` gives further clients with other limits. */
export async function openDevelopmentKms(options: DevelopmentKmsOptions = {}): Promise<{
  readonly kms: Kms;
  readonly server: DevelopmentKms;
  connect(limits: Partial<AwsKmsLimits>): Kms;
  close(): Promise<void>;
}> {
  const server = await startDevelopmentKms(options);
  const clients: Kms[] = [];
  function connect(limits: Partial<AwsKmsLimits>): Kms {
    const kms = createAwsKms({
      endpoint: server.endpoint,
      region: server.region,
      credentials: { accessKeyId: "development", secretAccessKey: "development" },
      limits,
    });
    clients.push(kms);
    return kms;
  }
  return {
    kms: connect(PATIENT),
    server,
    connect,
    async close() {
      for (const client of clients) client.close();
      await server.close();
    },
  };
}
