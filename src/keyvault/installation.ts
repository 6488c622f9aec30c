import type { AuditEvent } from "../audit/event.ts";
import { canonicalBytes } from "../base/canonical.ts";
import type { Clock } from "../base/clock.ts";
import { invariant, PloriError } from "../base/errors.ts";
import { PLATFORM_ACCOUNT } from "../base/provider.ts";
import type { AccountMacs } from "../seal/account-mac.ts";
import type { DataKeyStore, WrappedDataKey } from "../seal/ports.ts";

const CANARY_BYTES = canonicalBytes(["plori/canary/v1"]);

/** What an installation's first start leaves behind, so that every later one can tell whether it has the right keys. */
export interface Canary {
  readonly environment: string;
  readonly dataKeyId: string;
  readonly dataKeyVersion: number;
  /** In lower-case hex: made with a data key that only the right KMS key opens, and only in the right environment. */
  readonly mac: string;
}

/** Where the canary is kept. */
export interface InstallationStore {
  canary(): Promise<Canary | undefined>;
  /** Stores the canary with its audit record unless there is one. Returns the one that is stored afterwards. */
  setCanary(canary: Canary, audit: AuditEvent): Promise<Canary>;
}

/** What checking the installation needs. */
export interface InstallationDeps {
  readonly installation: InstallationStore;
  readonly dataKeys: Pick<DataKeyStore, "find">;
  readonly macs: AccountMacs;
  readonly environment: string;
  /** The data key id that MACs are made under. */
  readonly dataKeyId: string;
  readonly isTrustedKmsKey: (keyArn: string) => boolean;
  readonly clock: Pick<Clock, "nowMs">;
}

/** What is wrong with the environment's name, without asking KMS; undefined when nothing is, or when this is the first start. */
export async function environmentMistake({
  installation,
  environment,
}: Pick<InstallationDeps, "installation" | "environment">): Promise<string | undefined> {
  const canary = await installation.canary();
  if (canary === undefined || canary.environment === environment) return undefined;
  return `this database belongs to the environment "${canary.environment}", but PLORI_ENVIRONMENT says "${environment}": nothing in it would open`;
}

/** Which KMS key (its ARN holds Region and account) and environment the installation was sealed with, without asking KMS; undefined before its first start. */
export async function describeInstallation({
  installation,
  dataKeys,
}: Pick<InstallationDeps, "installation" | "dataKeys">): Promise<string | undefined> {
  const canary = await installation.canary();
  if (canary === undefined) return undefined;
  const { environment, dataKeyId, dataKeyVersion } = canary;
  const dataKey = await dataKeys.find({ account: PLATFORM_ACCOUNT, dataKeyId, dataKeyVersion });
  return dataKey === undefined ? undefined : `${wrappedBy(dataKey)} in the environment "${environment}"`;
}

/**
 * Opens the installation's canary, or makes it at the first start. Returns what is wrong, with what was expected; undefined when all is right. Throws
 * KMS_UNAVAILABLE while nothing can be said.
 */
export async function installationMistake(deps: InstallationDeps): Promise<string | undefined> {
  const canary = (await deps.installation.canary()) ?? (await makeCanary(deps));
  const mistake = await environmentMistake(deps);
  if (mistake !== undefined) return mistake;
  const { dataKeyId, dataKeyVersion } = canary;
  const dataKey = await deps.dataKeys.find({ account: PLATFORM_ACCOUNT, dataKeyId, dataKeyVersion });
  if (dataKey === undefined)
    return "the data key of this installation's canary is not in the database: is it restored whole?";
  const expected = wrappedBy(dataKey);
  if (!deps.isTrustedKmsKey(dataKey.kmsKeyArn)) return `${expected}, which PLORI_KMS_KEY_IDS does not name`;
  try {
    const holds = await deps.macs.verifyMac(
      PLATFORM_ACCOUNT,
      dataKeyVersion,
      CANARY_BYTES,
      Buffer.from(canary.mac, "hex"),
    );
    return holds ? undefined : `${expected}, but its canary does not hold: the database was altered`;
  } catch (error) {
    invariant(error instanceof PloriError, "the sealer throws refusals only");
    if (error.reason === "KEY_UNREADABLE") return `${expected}, and the KMS does not let this service use it`;
    if (error.reason === "RECORD_CORRUPT")
      return `${expected} in the environment "${canary.environment}", but it does not open them`;
    throw error;
  }
}

function wrappedBy({ kmsKeyArn }: Pick<WrappedDataKey, "kmsKeyArn">): string {
  return `this installation's keys are wrapped by the KMS key ${kmsKeyArn}`;
}

async function makeCanary(deps: InstallationDeps): Promise<Canary> {
  const { environment, dataKeyId } = deps;
  const { dataKeyVersion, mac } = await deps.macs.mac(PLATFORM_ACCOUNT, CANARY_BYTES);
  return await deps.installation.setCanary(
    { environment, dataKeyId, dataKeyVersion, mac: mac.toString("hex") },
    {
      kind: "installation.sealed",
      timeMs: deps.clock.nowMs(),
      caller: "service",
      actor: "",
      account: "",
      subject: environment,
      details: {},
    },
  );
}
