import { expect, test, vi } from "vitest";
import { Bell } from "../../src/base/bell.ts";
import { LIMITS } from "../../src/base/limits.ts";
import type { Caller } from "../../src/identity/roles.ts";
import type { Revocation } from "../../src/router/revocation-ports.ts";
import { watchRevocations } from "../../src/router/watch-revocations.ts";

const HOST: Caller = { spiffeId: "spiffe://td/agent-host/h1", role: "agent-host", name: "h1" };
const PER_MESSAGE = LIMITS.revocationsPerMessageMax;

/** A log in memory whose revocations the test makes. */
function openLog() {
  const rows: { host: string; revocation: Revocation }[] = [];
  const bell = new Bell(0n);
  let newest = 0n;
  let base = 0n;
  const reads: bigint[] = [];
  const leaving = new AbortController();
  const deps = {
    revocationNews: bell,
    revocations: {
      newest: async () => newest,
      async after(host: string, seq: bigint, limit: number) {
        reads.push(seq);
        if (seq < base) return "forgotten" as const;
        const found = rows.filter((row) => row.host === host && row.revocation.seq > seq);
        return found.slice(0, limit).map(({ revocation }) => revocation);
      },
    },
  };
  return {
    reads,
    leaving,
    watch: (token = "") => watchRevocations(deps, token, HOST, leaving.signal),
    revoke(host = "h1", changes: Partial<Revocation> = {}, isHeard = true) {
      newest += 1n;
      const fields = { account: "a1", agent: "", keyId: "openai", keyVersion: 1, timeMs: 1 };
      rows.push({ host, revocation: { seq: newest, cause: "KEY_DELETED", ...fields, ...changes } });
      if (isHeard) bell.ring(host, newest);
    },
    forget() {
      base = newest;
      rows.length = 0;
    },
  };
}

async function next(stream: ReturnType<typeof watchRevocations>) {
  const { value } = await stream.next();
  if (value === undefined) throw new Error("the stream ended");
  return { token: value.resumeToken, seqs: value.revocations.map(({ seq }) => Number(seq)), all: value.everything };
}

test("a reader that takes its time gets everything in order, in messages of a bounded size, and nothing is kept for it", async () => {
  const log = openLog();
  const stream = log.watch();
  expect(await next(stream)).toEqual({ token: "0", seqs: [], all: false });
  for (let n = 0; n < 2 * PER_MESSAGE + 1; n += 1) log.revoke();
  expect(log.reads).toEqual([]);
  const sizes = [await next(stream), await next(stream), await next(stream)];
  expect(sizes.map(({ seqs }) => seqs.length)).toEqual([PER_MESSAGE, PER_MESSAGE, 1]);
  expect(sizes.flatMap(({ seqs }) => seqs)).toEqual(Array.from({ length: 2 * PER_MESSAGE + 1 }, (_, n) => n + 1));
  log.leaving.abort();
});

test("a reader that is slower than revocations are kept is told to stop everything, and hears what follows", async () => {
  const log = openLog();
  const stream = log.watch();
  await next(stream);
  log.revoke();
  log.revoke();
  log.forget();
  expect(await next(stream)).toEqual({ token: "2", seqs: [], all: true });
  log.revoke();
  expect(await next(stream)).toEqual({ token: "3", seqs: [3], all: false });
  log.leaving.abort();
});

test("a token that is older than what is kept is answered with everything; the newest one is not", async () => {
  const log = openLog();
  log.revoke();
  log.revoke();
  log.forget();
  const old = log.watch("1");
  expect(await next(old)).toEqual({ token: "1", seqs: [], all: false });
  expect(await next(old)).toEqual({ token: "2", seqs: [], all: true });
  const current = log.watch("2");
  expect(await next(current)).toEqual({ token: "2", seqs: [], all: false });
  log.revoke();
  expect(await next(current)).toEqual({ token: "3", seqs: [3], all: false });
  log.leaving.abort();
});

test("what was committed but not yet announced when the stream began is not told twice", async () => {
  const log = openLog();
  log.revoke("h1", {}, false);
  const resumed = log.watch("0");
  await next(resumed);
  expect(await next(resumed)).toMatchObject({ seqs: [1] });
  log.revoke();
  expect(await next(resumed)).toMatchObject({ seqs: [2] });
  log.leaving.abort();
});

test("others' revocations move the position on without a message, so that it stays within what is kept", async () => {
  const log = openLog();
  const stream = log.watch();
  await next(stream);
  const message = next(stream);
  for (let n = 0; n < 10; n += 1) log.revoke("h2");
  log.revoke("h1");
  expect(await message).toEqual({ token: "11", seqs: [11], all: false });
  // It was woken by its own alone.
  expect(log.reads.length).toBeLessThanOrEqual(2);
  log.leaving.abort();
});

test("a revocation of every account means everything", async () => {
  const log = openLog();
  const stream = log.watch();
  await next(stream);
  log.revoke("h1", { account: "", keyId: "", keyVersion: 0, cause: "IDENTITY_BLOCKED" });
  expect(await next(stream)).toEqual({ token: "1", seqs: [1], all: true });
  log.leaving.abort();
});

test("a stream ends when its caller leaves, also while it waits", async () => {
  const log = openLog();
  const stream = log.watch();
  await next(stream);
  const waiting = stream.next();
  log.leaving.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
});

test("a silent stream is heard every five seconds, with a token that has moved on past others' revocations", async () => {
  vi.useFakeTimers();
  try {
    const log = openLog();
    const stream = log.watch();
    await next(stream);
    for (const expected of ["3", "6"]) {
      const message = next(stream);
      for (let n = 0; n < 3; n += 1) log.revoke("h2");
      await vi.advanceTimersByTimeAsync(LIMITS.revocationsHeartbeatMs);
      expect(await message).toEqual({ token: expected, seqs: [], all: false });
    }
    log.leaving.abort();
  } finally {
    vi.useRealTimers();
  }
});
