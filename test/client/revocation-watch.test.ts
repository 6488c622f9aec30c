import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { HostError } from "../../src/client/host-error.ts";
import type { AnswerStream } from "../../src/client/link/link.ts";
import { type RevocationMessage, RevocationWatch } from "../../src/client/routes/revocation-watch.ts";
import { keepingLog } from "../support/agent-host.ts";

const LIMITS = { silenceMaxMs: 10_000, brokenMaxMs: 2_000, reconnectFirstMs: 1, reconnectLastMs: 2 };
const REVOKED = { account: "a", agent: "", key: "", keyVersion: 0n };

/** One stream of a service that the test plays. */
interface Played {
  readonly resumeToken: string;
  readonly isCancelled: boolean;
  say(message?: Partial<RevocationMessage>): void;
  /** The stream ends, or breaks. */
  end(error?: unknown): void;
}

let clock: ManualClock;
let log: ReturnType<typeof keepingLog>;
let streams: Played[];
let told: string[];
let watch: RevocationWatch;
let tokens: number;

beforeEach(() => {
  clock = manualClock(1_700_000_000_000);
  log = keepingLog();
  streams = [];
  told = [];
  tokens = 0;
  watch = new RevocationWatch({
    clock,
    log,
    open,
    onRevoked: ({ account }) => told.push(account),
    onEverything: () => told.push("everything"),
    limits: LIMITS,
  });
});
afterEach(() => watch.close());

function open(resumeToken: string): AnswerStream<RevocationMessage> {
  const queue: (RevocationMessage | { readonly error: unknown } | "end")[] = [];
  let wake = (): void => {};
  let isCancelled = false;
  const push = (item: (typeof queue)[number]): void => {
    queue.push(item);
    wake();
  };
  streams.push({
    resumeToken,
    get isCancelled() {
      return isCancelled;
    },
    say(message = {}) {
      tokens += 1;
      push({ resumeToken: `token-${tokens}`, revocations: [], everything: false, ...message });
    },
    end: (error) => push(error === undefined ? "end" : { error }),
  });
  async function* messages(): AsyncGenerator<RevocationMessage, void, undefined> {
    for (;;) {
      const item = queue.shift();
      if (item === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (item === "end") return;
      else if ("error" in item) throw item.error;
      else yield item;
    }
  }
  return {
    messages: messages(),
    cancel() {
      isCancelled = true;
      push({ error: new HostError({ code: "CANCELLED", reason: "CANCELLED", message: "" }) });
    },
  };
}

async function stream(index: number): Promise<Played> {
  return vi.waitFor(() => {
    const found = streams[index];
    if (found === undefined) throw new Error(`there is no stream ${index}`);
    return found;
  });
}

const heard = (): Promise<void> => vi.waitFor(() => expect(watch.isListening()).toBe(true));

test("nothing counts as heard before the first message, which drops whatever was before", async () => {
  expect(watch.isListening()).toBe(false);
  const first = await stream(0);
  expect(first.resumeToken).toBe("");
  first.say();
  await heard();
  expect(told).toEqual(["everything"]);
});

test("revocations are handed on in their order", async () => {
  const first = await stream(0);
  first.say();
  first.say({ revocations: [REVOKED, { ...REVOKED, account: "b" }] });
  first.say({ everything: true, revocations: [{ ...REVOKED, account: "c" }] });
  await vi.waitFor(() => expect(told).toEqual(["everything", "a", "b", "everything", "c"]));
});

test("after a break the stream goes on where it stood, and leases hold for the two seconds in between", async () => {
  const first = await stream(0);
  first.say();
  await heard();
  first.end(new HostError({ code: "UNAVAILABLE", reason: "DRAINING", message: "" }));
  const second = await stream(1);
  expect(second.resumeToken).toBe("token-1");
  clock.advance(LIMITS.brokenMaxMs);
  expect(watch.isListening()).toBe(true);
  second.say({ revocations: [REVOKED] });
  await vi.waitFor(() => expect(told).toEqual(["everything", "a"]));
  clock.advance(LIMITS.brokenMaxMs + 1);
  expect(watch.isListening()).toBe(true);
  expect(log.lines.join()).toContain('{"code":"UNAVAILABLE","reason":"DRAINING"}');
});

test("a break that lasts longer drops everything at once, and the next message begins anew", async () => {
  const first = await stream(0);
  first.say();
  await heard();
  first.end();
  const second = await stream(1);
  clock.advance(LIMITS.brokenMaxMs + 1);
  expect(watch.isListening()).toBe(false);
  expect(told).toEqual(["everything", "everything"]);
  expect(watch.isListening()).toBe(false);
  expect(told).toHaveLength(2);
  second.say();
  await heard();
});

test("a stream that is silent for too long is given up, and everything with it", async () => {
  const first = await stream(0);
  first.say();
  await heard();
  clock.advance(LIMITS.silenceMaxMs);
  watch.look();
  expect(first.isCancelled).toBe(false);
  first.say({ revocations: [REVOKED] });
  await vi.waitFor(() => expect(told.at(-1)).toBe("a"));
  clock.advance(LIMITS.silenceMaxMs);
  watch.look();
  expect(first.isCancelled).toBe(false);
  clock.advance(1);
  watch.look();
  expect(watch.isListening()).toBe(false);
  expect(first.isCancelled).toBe(true);
  expect(told.at(-1)).toBe("everything");
  (await stream(1)).say();
  await heard();
});

test("a stream that never says anything is given up as well", async () => {
  const first = await stream(0);
  clock.advance(LIMITS.silenceMaxMs + 1);
  watch.look();
  expect(first.isCancelled).toBe(true);
  await stream(1);
});

test("a machine that slept has heard nothing meanwhile", async () => {
  (await stream(0)).say();
  await heard();
  clock.stepWallTo(clock.nowMs() + 60_000);
  expect(watch.isListening()).toBe(false);
  expect(told.at(-1)).toBe("everything");
});

test("a token that the service does not take is thrown away: the next stream begins anew", async () => {
  const first = await stream(0);
  first.say();
  await heard();
  first.end();
  const second = await stream(1);
  expect(second.resumeToken).toBe("token-1");
  second.end(new HostError({ code: "INVALID_ARGUMENT", reason: "FIELDS_INVALID", message: "" }));
  const third = await stream(2);
  expect(third.resumeToken).toBe("");
  third.say();
  await vi.waitFor(() => expect(told).toEqual(["everything", "everything"]));
});

test("moved to a new connection, it goes on where it stood without a word of alarm", async () => {
  const first = await stream(0);
  first.say();
  await heard();
  watch.move();
  const second = await stream(1);
  expect([first.isCancelled, second.resumeToken]).toEqual([true, "token-1"]);
  second.say({ revocations: [REVOKED] });
  await vi.waitFor(() => expect(told).toEqual(["everything", "a"]));
  clock.advance(LIMITS.brokenMaxMs + 1);
  expect(watch.isListening()).toBe(true);
  expect(told).toHaveLength(2);
  expect(log.lines.filter((line) => line.startsWith("warn"))).toEqual([]);
});

test("closed, it listens no more", async () => {
  const first = await stream(0);
  first.say();
  await heard();
  await watch.close();
  expect(watch.isListening()).toBe(false);
  expect(first.isCancelled).toBe(true);
  expect(streams).toHaveLength(1);
});
