import { beforeEach, describe, expect, test } from "vitest";
import type { AuditEvent } from "../../../src/audit/event.ts";
import type { AuditFilter, ReleaseFilter } from "../../../src/audit/ports.ts";
import { openSigner } from "../../../src/audit/signing-key.ts";
import { manualClock } from "../../../src/base/clock.ts";
import { PloriError } from "../../../src/base/errors.ts";
import type { Caller, Role } from "../../../src/identity/roles.ts";
import { createCallBudget } from "../../../src/keyvault/audit/call-budget.ts";
import { exportAudit } from "../../../src/keyvault/audit/export-audit.ts";
import { identifySecret } from "../../../src/keyvault/audit/identify-secret.ts";
import { listAuditEvents } from "../../../src/keyvault/audit/list-audit-events.ts";
import { listReleases } from "../../../src/keyvault/audit/list-releases.ts";
import { pruneAudit } from "../../../src/keyvault/audit/prune-audit.ts";
import { type VerifyProgress, verifyAudit } from "../../../src/keyvault/audit/verify-audit.ts";
import { checkpointsOf, ORIGIN, signer } from "../../audit/chains.ts";
import { createMemoryAudit, type MemoryAudit } from "../../audit/memory-audit.ts";
import { openTestSealer } from "../../seal/open-test-sealer.ts";

const signal = new AbortController().signal;

function caller(role: Role): Caller {
  return { spiffeId: `spiffe://td/${role}/x`, role, name: "x" };
}

async function refusalOf(attempt: Promise<unknown>): Promise<PloriError> {
  const error = await attempt.catch((thrown: unknown) => thrown);
  if (!(error instanceof PloriError)) throw new Error("not refused");
  return error;
}

async function fieldsOf(attempt: Promise<unknown>): Promise<string[]> {
  return ((await refusalOf(attempt)).refusal.violations ?? []).map(({ field }) => field);
}

async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe("lists", () => {
  const page = { pageSize: 0, pageToken: "" };

  test("every wrong field is named at once", async () => {
    const wrong = { startMs: 5, endMs: 5, pageSize: -1, pageToken: "?" };
    const events = listAuditEvents(
      { audit: { newest: () => Promise.reject(new Error("asked")) } },
      { account: "a\u0000", kind: "Key Connected", caller: "\n", ...wrong },
    );
    const paging = ["page_token", "page_size", "end_time"];
    expect(await fieldsOf(events)).toEqual(["account", "kind", "caller", ...paging]);
    const history = { newestReleases: () => Promise.reject(new Error("asked")) };
    expect(
      await fieldsOf(listReleases({ history }, { account: "", host: "h1", ...wrong }, caller("settings"))),
    ).toEqual(["account", "host", ...paging]);
  });

  test("a page token goes on where the page ended, with the same filters only", async () => {
    const asked: [AuditFilter, bigint | undefined, number][] = [];
    const audit = {
      newest: async (filter: AuditFilter, before: bigint | undefined, limit: number) => {
        asked.push([filter, before, limit]);
        return { items: [], before: 17n };
      },
    };
    const input = { account: "a1", kind: "", caller: "", ...page, pageSize: 9_999 };
    const { nextPageToken } = await listAuditEvents({ audit }, input);
    await listAuditEvents({ audit }, { ...input, pageToken: nextPageToken });
    expect(asked).toEqual([
      [{ account: "a1" }, undefined, 500],
      [{ account: "a1" }, 17n, 500],
    ]);
    for (const other of [{ account: "a2" }, { kind: "key.deleted" }, { startMs: 1 }])
      expect(await fieldsOf(listAuditEvents({ audit }, { ...input, ...other, pageToken: nextPageToken }))).toEqual([
        "page_token",
      ]);
  });

  test("settings is asked for by the key's owner, auditors by whatever they name", async () => {
    const asked: ReleaseFilter[] = [];
    const history = {
      newestReleases: async (filter: ReleaseFilter) => {
        asked.push(filter);
        return { items: [] };
      },
    };
    await listReleases({ history }, { account: "a1", host: "", ...page }, caller("settings"));
    await listReleases({ history }, { account: "", host: "h1", ...page }, caller("auditor"));
    expect(asked).toEqual([{ account: "a1", keyAccount: "a1" }, { host: "h1" }]);
    const platform = listReleases({ history }, { account: "platform", host: "", ...page }, caller("settings"));
    expect((await refusalOf(platform)).reason).toBe("ROLE_NOT_ALLOWED");
  });
});

describe("identifying a secret", () => {
  function open() {
    const { sealer, clock } = openTestSealer();
    const recorded: AuditEvent[] = [];
    const deps = {
      sealer,
      clock,
      identifyBudget: createCallBudget(clock, 2),
      appendAudit: async (event: AuditEvent) => void recorded.push(event),
      history: {
        keysWithFingerprint: async () => [],
        holders: async () => [],
      },
    };
    return { deps, recorded, clock };
  }
  const ask = ({ deps }: ReturnType<typeof open>, text: string) =>
    identifySecret(deps, { secret: Buffer.from(text), actor: "ops" }, caller("admin"), signal);

  test("white space around it makes no difference, anything inside does, and each search is on record without it", async () => {
    const opened = open();
    await ask(opened, "leaked-thing");
    await ask(opened, "\t leaked-thing \r\n");
    opened.clock.advance(60_000);
    await ask(opened, "leaked thing");
    const prints = opened.recorded.map(({ details }) => details["fingerprint"]);
    expect(prints[0]).toBe(prints[1]);
    expect(prints[2]).not.toBe(prints[0]);
    expect(JSON.stringify(opened.recorded)).not.toContain("leaked");
    expect(opened.recorded[0]).toMatchObject({ kind: "secret.identified", actor: "ops", details: { keys: "0" } });
  });

  test("an identity is held to its rate, and what is malformed costs nothing of it", async () => {
    const opened = open();
    for (const wrong of ["", " ", "a\u0001b", "x".repeat(513), "é"])
      expect(await fieldsOf(ask(opened, wrong))).toEqual(["secret"]);
    await ask(opened, "one");
    await ask(opened, "two");
    const refused = await refusalOf(ask(opened, "three"));
    expect([refused.reason, refused.retryAfterMs]).toEqual(["RATE_LIMITED", 60_000]);
    expect(opened.recorded).toHaveLength(2);
    opened.clock.advance(60_000);
    await ask(opened, "three");
  });

  test("nothing is told when the search cannot be put on record", async () => {
    const opened = open();
    const deps = { ...opened.deps, appendAudit: () => Promise.reject(new Error("the disk is full")) };
    await expect(ask({ ...opened, deps }, "leaked-thing")).rejects.toThrow("full");
  });
});

describe("a whole audit", () => {
  let memory: MemoryAudit;
  let noted: [bigint, bigint][];
  const clock = manualClock(1_790_000_000_000);

  beforeEach(() => {
    memory = createMemoryAudit();
    memory.write(450);
    memory.checkpoints = checkpointsOf(memory.chain, 100);
    noted = [];
  });

  function exported(afterSeq: bigint, throughSeq: bigint) {
    const audit = {
      ...memory.audit,
      noteExport: async (after: bigint, through: bigint) => void noted.push([after, through]),
    };
    return exportAudit({ audit, clock }, { afterSeq, throughSeq }, caller("auditor"), signal);
  }

  async function verified(notes = memory.checkpoints.map(({ note }) => note), signingKeys = [signer]) {
    const deps = {
      audit: memory.audit,
      signingKeys: async () => signingKeys,
      checkpointFile: async () => ({ notes, isDamaged: false }),
      origin: ORIGIN,
    };
    return drain(verifyAudit(deps, signal));
  }

  function kindsOf(progress: readonly VerifyProgress[]): string[] {
    return progress.flatMap(({ findings }) => findings.map(({ kind }) => kind));
  }

  test("an export has every record and checkpoint once, and notes how far it got when all was taken", async () => {
    const parts = await drain(exported(0n, 0n));
    expect(parts.flatMap(({ records }) => records)).toEqual(memory.chain);
    expect(parts.flatMap(({ checkpoints }) => checkpoints)).toEqual(memory.checkpoints.map(({ note }) => note));
    const rest = await drain(exported(123n, 300n));
    expect(rest.flatMap(({ records }) => records)).toEqual(memory.chain.slice(123, 300));
    expect(rest.flatMap(({ checkpoints }) => checkpoints)).toHaveLength(2);
    expect(noted).toEqual([
      [0n, 450n],
      [123n, 300n],
    ]);
  });

  test("an export that its caller leaves early is not noted", async () => {
    for await (const part of exported(0n, 0n)) {
      expect(part.records).toHaveLength(200);
      break;
    }
    expect(noted).toEqual([]);
  });

  test("an export with a gap is refused where the gap is, and not noted", async () => {
    memory.chain.splice(300, 1);
    expect((await refusalOf(drain(exported(0n, 0n)))).reason).toBe("RECORD_CORRUPT");
    expect(noted).toEqual([]);
  });

  test("an export outside of what there is names both fields", async () => {
    expect(await fieldsOf(drain(exported(451n, 451n)))).toEqual(["after_sequence", "through_sequence"]);
    memory.base = memory.chain[99] ?? memory.base;
    expect(await fieldsOf(drain(exported(50n, 0n)))).toEqual(["after_sequence"]);
    expect((await drain(exported(0n, 0n)))[0]?.records[0]?.seq).toBe(101n);
  });

  test("an intact audit is found to be, with progress on the way", async () => {
    memory.write(45_000);
    const progress = await verified();
    expect(progress.map(({ isDone }) => isDone)).toEqual([false, false, true]);
    expect(progress.at(-1)).toMatchObject({
      verified: 45_450n,
      seq: 45_450n,
      checkpoints: 4,
      checkpointSeq: 400n,
      findingCount: 0,
    });
  });

  test("a checkpoint file that lost checkpoints is found, and one that has more tells of a truncation", async () => {
    expect(kindsOf(await verified([]))).toEqual(["CHECKPOINT_MISSING"]);
    const notes = memory.checkpoints.map(({ note }) => note);
    memory.chain.length = 350;
    memory.checkpoints.length = 3;
    expect(kindsOf(await verified(notes))).toEqual(["TRUNCATED"]);
  });

  test("checkpoints that somebody else signed are found to be forged, and prove nothing", async () => {
    const { sealer } = openTestSealer();
    const { keys } = await openSigner({ store: memory.audit, sealer, clock, name: ORIGIN });
    const progress = await verified(undefined, [...keys]);
    expect([kindsOf(progress), progress.at(-1)?.checkpoints]).toEqual([["CHECKPOINT_FORGED"], 0]);
  });

  test("a verification ends when its caller leaves", async () => {
    const gone = AbortSignal.abort(new Error("gone"));
    const deps = {
      audit: memory.audit,
      signingKeys: async () => [signer],
      checkpointFile: async () => ({ notes: [], isDamaged: false }),
      origin: ORIGIN,
    };
    await expect(drain(verifyAudit(deps, gone))).rejects.toThrow("gone");
  });

  test("a pruning names every wrong field at once, and removes piece by piece until nothing is left", async () => {
    let left = 1_200;
    const moved: bigint[] = [];
    const audit = {
      base: async () => ({ seq: 100n, hash: new Uint8Array(32) }),
      moveBase: async ({ seq }: { seq: bigint }) => void moved.push(seq),
      removeBelowBase: async (limit: number) => {
        const removed = Math.min(limit, left);
        left -= removed;
        return removed;
      },
    };
    const input = { throughSeq: 100n, hash: new Uint8Array(32), requestId: "", actor: "" };
    const wrong = { throughSeq: 0n, hash: new Uint8Array(31), requestId: "x", actor: "\u0000" };
    expect(await fieldsOf(pruneAudit({ audit, clock }, wrong, caller("admin"), signal))).toEqual([
      "through_sequence",
      "hash",
      "request_id",
      "actor",
    ]);
    expect(await pruneAudit({ audit, clock }, input, caller("admin"), signal)).toEqual({
      baseSeq: 100n,
      removed: 1_200n,
    });
    expect(moved).toEqual([100n]);
  });
});
