import { beforeEach, describe, expect, test } from "vitest";
import type { Mutation } from "../../src/audit/mutation.ts";
import { PloriError } from "../../src/base/errors.ts";
import { DEFAULT_ROLE_MAP } from "../../src/identity/role-map.ts";
import type { Caller } from "../../src/identity/roles.ts";
import { blockIdentity } from "../../src/router/block-identity.ts";
import type { IdentityBlock, IdentityBlockStore, ListedBlock } from "../../src/router/identity-block-ports.ts";
import { listIdentityBlocks } from "../../src/router/list-identity-blocks.ts";
import { unblockIdentity } from "../../src/router/unblock-identity.ts";

const ADMIN: Caller = { spiffeId: "spiffe://plori.test/admin/alice", role: "admin", name: "alice" };
const INPUT = { spiffeId: "spiffe://plori.test/agent-host/h1", reason: "stolen", requestId: "", actor: "alice" };
const UUID = "0190A3F0-0000-7000-8000-00000000000A";

let asked: { block?: IdentityBlock; host?: string | undefined; spiffeId?: string; mutation: Mutation }[];
let listed: readonly ListedBlock[];
const identityBlocks: Omit<IdentityBlockStore, "watch"> = {
  async list(before, limit) {
    return listed.filter(({ seq }) => before === undefined || seq < before).slice(0, limit);
  },
  async block(block, host, mutation) {
    asked.push({ block, host, mutation });
    return { block, endedPlacementCount: 3 };
  },
  async unblock(spiffeId, mutation) {
    asked.push({ spiffeId, mutation });
    return { spiffeId, reason: "stolen", createMs: 1 };
  },
};
const deps = { identityBlocks, trustDomain: "Plori.Test", roleMap: DEFAULT_ROLE_MAP, clock: { nowMs: () => 5 } };

beforeEach(() => {
  asked = [];
  listed = [];
});

async function wrongFields(attempt: Promise<unknown>): Promise<readonly string[]> {
  const error = await attempt.catch((thrown: unknown) => thrown);
  if (!(error instanceof PloriError)) throw new Error("expected a refusal");
  expect(error.reason).toBe("FIELDS_INVALID");
  expect(asked).toEqual([]);
  return error.refusal.violations?.map(({ field }) => field) ?? [];
}

describe("BlockIdentity", () => {
  test("an agent host is blocked under its host's id, with who did it and why in the audit", async () => {
    expect(await blockIdentity(deps, { ...INPUT, requestId: UUID }, ADMIN)).toMatchObject({ endedPlacementCount: 3 });
    expect(asked).toMatchObject([
      {
        block: { spiffeId: INPUT.spiffeId, reason: "stolen", createMs: 5 },
        host: "h1",
        mutation: {
          audit: {
            kind: "identity.blocked",
            caller: ADMIN.spiffeId,
            actor: "alice",
            subject: INPUT.spiffeId,
            details: { reason: "stolen", host: "h1" },
          },
          request: { requestId: UUID.toLowerCase(), account: "" },
        },
      },
    ]);
  });

  test.each(["/settings/h1", "/no-role/h1", "/admin/bob"])("%s ends no host's placements", async (path) => {
    await blockIdentity(deps, { ...INPUT, spiffeId: `spiffe://plori.test${path}` }, ADMIN);
    expect(asked[0]?.host).toBeUndefined();
  });

  test("a trust domain in capitals is the same identity", async () => {
    await blockIdentity(deps, { ...INPUT, spiffeId: "spiffe://PLORI.test/agent-host/h1" }, ADMIN);
    expect(asked[0]?.block?.spiffeId).toBe(INPUT.spiffeId);
  });

  test.each(["spiffe://plori.test/admin/alice", "spiffe://PLORI.TEST/admin/alice"])(
    "nobody shuts itself out (%s)",
    async (spiffeId) => {
      expect(await wrongFields(blockIdentity(deps, { ...INPUT, spiffeId }, ADMIN))).toEqual(["spiffe_id"]);
    },
  );

  test.each(["", "h1", "spiffe://plori.test", "spiffe://other.test/agent-host/h1", "spiffe://plori.test/a/../b"])(
    "%o is no identity of ours",
    async (spiffeId) => {
      expect(await wrongFields(blockIdentity(deps, { ...INPUT, spiffeId }, ADMIN))).toEqual(["spiffe_id"]);
      expect(await wrongFields(unblockIdentity(deps, { ...INPUT, spiffeId }, ADMIN))).toEqual(["spiffe_id"]);
    },
  );

  test("every wrong field is named at once", async () => {
    const wrong = { spiffeId: "x", reason: "", requestId: "x", actor: "\u0007" };
    const fields = ["spiffe_id", "reason", "request_id", "actor"];
    expect(await wrongFields(blockIdentity(deps, wrong, ADMIN))).toEqual(fields);
    const tooLong = { ...wrong, reason: "r".repeat(257) };
    expect(await wrongFields(unblockIdentity(deps, tooLong, ADMIN))).toEqual(fields);
  });
});

test("UnblockIdentity needs no reason, and is in the audit", async () => {
  const block = await unblockIdentity(deps, { ...INPUT, reason: "" }, ADMIN);
  expect(block).toEqual({ spiffeId: INPUT.spiffeId, reason: "stolen", createMs: 1 });
  const { audit, request } = asked[0]?.mutation ?? {};
  expect(audit).toMatchObject({ kind: "identity.unblocked", subject: INPUT.spiffeId, actor: "alice" });
  expect(request).toBeUndefined();
});

describe("ListIdentityBlocks", () => {
  const listAll = async (pageSize: number) => {
    const sizes: number[] = [];
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await listIdentityBlocks(deps, { pageSize, pageToken });
      sizes.push(page.blocks.length);
      ids.push(...page.blocks.map(({ spiffeId }) => spiffeId));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return { sizes, ids };
  };

  test("pages hold every block once, the newest first", async () => {
    listed = Array.from({ length: 120 }, (_, n) => ({
      seq: BigInt(120 - n),
      spiffeId: `spiffe://plori.test/settings/${120 - n}`,
      reason: "r",
      createMs: 1,
    }));
    const { sizes, ids } = await listAll(0);
    expect(sizes).toEqual([50, 50, 20]);
    expect(ids).toEqual(listed.map(({ spiffeId }) => spiffeId));
    expect((await listAll(1_000)).sizes).toEqual([120]);
  });

  test("a negative size, and a token of another list's or of nobody's, are refused", async () => {
    const foreign = Buffer.from("grants::5").toString("base64url");
    const notANumber = Buffer.from("identity-blocks::x").toString("base64url");
    expect(await wrongFields(listIdentityBlocks(deps, { pageSize: -1, pageToken: foreign }))).toEqual([
      "page_size",
      "page_token",
    ]);
    expect(await wrongFields(listIdentityBlocks(deps, { pageSize: 0, pageToken: notANumber }))).toEqual(["page_token"]);
  });
});
