import { join } from "node:path";
import { refuse } from "../base/errors.ts";
import type { Config } from "../config.ts";
import { createAwsKms } from "../kms/aws.ts";
import { startDevelopmentKms } from "../kms/development.ts";
import { type Kms, KmsError } from "../kms/kms.ts";

/** A KMS client, the keys that it may use, and how it is closed. */
export interface OpenKms {
  readonly kms: Kms;
  readonly activeKeyId: string;
  readonly keyIds: readonly string[];
  close(): Promise<void>;
}

/** The AWS client; in development it talks to a KMS of our own on loopback, whose key lies in the data directory. */
export async function openKms({ kms, dataDir }: Pick<Config, "kms" | "dataDir">): Promise<OpenKms> {
  if (kms.kind === "aws") {
    const client = createAwsKms();
    return { kms: client, activeKeyId: kms.activeKeyId, keyIds: kms.keyIds, close: async () => client.close() };
  }
  const server = await startDevelopmentKms({ file: join(dataDir, "development-kms.json") });
  const client = createAwsKms({
    endpoint: server.endpoint,
    region: server.region,
    credentials: { accessKeyId: "development", secretAccessKey: "development" },
  });
  return {
    kms: client,
    activeKeyId: server.keyArn,
    keyIds: [server.keyArn],
    async close() {
      client.close();
      await server.close();
    },
  };
}

/** The ARN that the active KMS key's id stands for at this moment. Throws KMS_UNAVAILABLE or KEY_UNREADABLE. */
export async function activeKmsKeyArn(kms: Kms, activeKeyId: string): Promise<string> {
  try {
    return (await kms.describeKey(activeKeyId)).keyArn;
  } catch (error) {
    if (!(error instanceof KmsError) || error.failure === "unavailable") {
      throw refuse("KMS_UNAVAILABLE", "The key management service does not answer; try again.");
    }
    throw refuse("KEY_UNREADABLE", "The key management service refuses the active KMS key.");
  }
}
