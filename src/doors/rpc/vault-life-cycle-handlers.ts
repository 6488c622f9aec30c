import { create } from "@bufbuild/protobuf";
import { Reason as ReasonNumber } from "../../gen/plori/error/v1/error_pb.ts";
import {
  EvictDataKeysResponseSchema,
  type KeyVaultService,
  RewrapDataKeysResponseSchema,
  RotateAccountKeyResponseSchema,
  ShredAccountResponseSchema,
  VerifyVaultResponseSchema,
} from "../../gen/plori/keyvault/v1/keyvault_service_pb.ts";
import {
  DataKeyFailureSchema,
  VaultFault as FaultNumber,
  VaultFindingSchema,
} from "../../gen/plori/keyvault/v1/vault_pb.ts";
import type { VaultFault } from "../../keyvault/heads/head.ts";
import { type EvictDeps, evictDataKeys } from "../../keyvault/life-cycle/evict-data-keys.ts";
import { type RewrapDeps, type RewrapFailure, rewrapDataKeys } from "../../keyvault/life-cycle/rewrap-data-keys.ts";
import { type RotateDeps, rotateAccountKey } from "../../keyvault/life-cycle/rotate-account-key.ts";
import { type ShredDeps, shredAccount } from "../../keyvault/life-cycle/shred-account.ts";
import type { FoundFault } from "../../keyvault/life-cycle/verify-account.ts";
import { type VerifyDeps, verifyVault } from "../../keyvault/life-cycle/verify-vault.ts";
import type { ServiceHandlers } from "../handlers.ts";

/** What operators' work on the vault needs. */
export interface VaultLifeCycleDeps {
  readonly rewrap: RewrapDeps;
  readonly rotate: RotateDeps;
  readonly shred: ShredDeps;
  readonly evict: EvictDeps;
  readonly verify: VerifyDeps;
}

const FAULT_NUMBERS = {
  RECORD_CORRUPT: FaultNumber.RECORD_CORRUPT,
  KEY_UNREADABLE: FaultNumber.KEY_UNREADABLE,
  NOT_CHECKED: FaultNumber.NOT_CHECKED,
  ROLLED_BACK: FaultNumber.ROLLED_BACK,
  MISSING: FaultNumber.MISSING,
  HEAD_MISSING: FaultNumber.HEAD_MISSING,
  HEAD_CORRUPT: FaultNumber.HEAD_CORRUPT,
  HEAD_ROLLED_BACK: FaultNumber.HEAD_ROLLED_BACK,
} as const satisfies Record<VaultFault, FaultNumber>;

type LifeCycleRpc = "rewrapDataKeys" | "rotateAccountKey" | "shredAccount" | "evictDataKeys" | "verifyVault";

/** KeyVault's RPCs for operators. */
export function createVaultLifeCycleHandlers(
  deps: VaultLifeCycleDeps,
): Pick<ServiceHandlers<typeof KeyVaultService>, LifeCycleRpc> {
  return {
    async *rewrapDataKeys({ requestId, actor }, { caller, signal }) {
      for await (const progress of rewrapDataKeys(deps.rewrap, { requestId, actor }, caller, signal)) {
        yield create(RewrapDataKeysResponseSchema, {
          kmsKeyArn: progress.kmsKeyArn,
          rewrappedCount: BigInt(progress.rewrappedCount),
          failedCount: BigInt(progress.failedCount),
          remainingCount: BigInt(progress.remainingCount),
          failures: progress.failures.map(failureMessage),
          done: progress.isDone,
        });
      }
    },
    async rotateAccountKey({ account, requestId, actor }, { caller }) {
      const rotated = await rotateAccountKey(deps.rotate, { account, requestId, actor }, caller);
      return create(RotateAccountKeyResponseSchema, {
        dataKeyVersion: BigInt(rotated.dataKeyVersion),
        recordCount: BigInt(rotated.recordCount),
      });
    },
    async shredAccount({ account, etag, confirmation, validateOnly, requestId, actor }, { caller }) {
      const input = { account, etag, confirmation, validateOnly, requestId, actor };
      const shredded = await shredAccount(deps.shred, input, caller);
      return create(ShredAccountResponseSchema, {
        keyCount: BigInt(shredded.keyCount),
        dataKeyCount: BigInt(shredded.dataKeyCount),
        etag: shredded.etag,
        logTruncated: shredded.isLogTruncated,
      });
    },
    async evictDataKeys({ account, requestId, actor }, { caller }) {
      await evictDataKeys(deps.evict, { account, requestId, actor }, caller);
      return create(EvictDataKeysResponseSchema);
    },
    async *verifyVault({ actor }, { caller, signal }) {
      for await (const progress of verifyVault(deps.verify, { actor }, caller, signal)) {
        yield create(VerifyVaultResponseSchema, {
          checkedCount: BigInt(progress.checkedCount),
          faultCount: BigInt(progress.faultCount),
          findings: progress.faults.map(findingMessage),
          done: progress.isDone,
          maxSealCount: BigInt(progress.mostSeals),
        });
      }
    },
  };
}

function failureMessage({ account, dataKeyId, dataKeyVersion, reason }: RewrapFailure) {
  return create(DataKeyFailureSchema, {
    name: `accounts/${account}/dataKeys/${dataKeyId}/${dataKeyVersion}`,
    reason: ReasonNumber[reason],
  });
}

function findingMessage({ name, version, fault }: FoundFault) {
  return create(VaultFindingSchema, { name, version: BigInt(version), fault: FAULT_NUMBERS[fault] });
}
