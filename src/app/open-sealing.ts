import { createHeadKeeper, type HeadKeeper } from "../keyvault/heads/head-keeper.ts";
import { describeInstallation, environmentMistake, installationMistake } from "../keyvault/installation.ts";
import type { Kms } from "../kms/kms.ts";
import { createSealer, RECORDS_KEY_ID } from "../seal/create-sealer.ts";
import { limitsOfLife } from "../seal/data-key-life.ts";
import type { SqliteStore } from "../store/sqlite/open-sqlite.ts";
import type { Ground } from "./ground.ts";
import { type KmsWatch, watchKms } from "./kms-watch.ts";
import { openKms } from "./open-kms.ts";

/** What seals and opens, and whether it may. */
export interface Sealing {
  readonly kms: Kms;
  readonly activeKeyId: string;
  readonly kmsWatch: KmsWatch;
  readonly sealer: ReturnType<typeof createSealer>;
  readonly heads: HeadKeeper;
}

/** Opens the KMS and what seals with it. Throws when the database belongs to another environment. */
export async function openSealing({ config, clock, log, closers }: Ground, store: SqliteStore): Promise<Sealing> {
  const { kms, activeKeyId, keyIds, close: closeKms } = await openKms(config);
  closers.add(closeKms);
  const { environment } = config;
  const mistake = await environmentMistake({ installation: store.installation, environment });
  if (mistake !== undefined) throw new Error(mistake);
  const kmsWatch = watchKms(kms, keyIds, log, {
    findMistake: () => installationMistake(installationDeps),
    describe: () => describeInstallation(store),
  });
  closers.add(() => kmsWatch.stop());
  const isTrustedKmsKey = kmsWatch.isTrusted;
  const sealer = createSealer({
    kms,
    store: store.dataKeys,
    environment,
    activeKmsKeyId: activeKeyId,
    isTrustedKmsKey,
    localKmsKey: kmsWatch.localArn,
    limits: limitsOfLife(config.dataKeyLife),
    clock,
  });
  closers.add(() => sealer.close());
  const installationDeps = {
    installation: store.installation,
    dataKeys: store.dataKeys,
    macs: sealer,
    environment,
    dataKeyId: RECORDS_KEY_ID,
    isTrustedKmsKey,
    clock,
  };
  const heads = createHeadKeeper({ macs: sealer, vault: store.vault, clock, report: store.denials });
  return { kms, activeKeyId, kmsWatch, sealer, heads };
}
