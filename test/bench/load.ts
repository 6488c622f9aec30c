import { randomBytes } from "node:crypto";
import { type ClientHttp2Session, connect } from "node:http2";
import { text } from "node:stream/consumers";
import type { LoadPlan, LoadResult, PlannedCall } from "./plan.ts";

// The load generator, a process of its own: raw node:http2 with the client certificate, whole frames made beforehand. A grpc-js client would be the limit.

interface ReadyCall {
  readonly path: string;
  readonly frames: { readonly bytes: Buffer; readonly fresh: readonly number[]; readonly route: readonly number[] }[];
}

const ID_CHARS = 36;
const plan = JSON.parse(await text(process.stdin)) as LoadPlan;
const sessions = await Promise.all(Array.from({ length: plan.connections }, openSession));
const chain = plan.chain.map(prepare);
const latenciesMs: number[] = [];
const failures: Record<string, { count: number; message: string }> = {};
let measuring = false;
let running = true;
let chains = 0;
let active = 0;
let turn = 0;
let answerBytes = 0;
let answers = 0;
const idPrefix = randomBytes(6).toString("hex");

function openSession(): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(`https://localhost:${plan.port}`, {
      ca: plan.ca,
      cert: plan.cert,
      key: plan.key,
      minVersion: "TLSv1.3",
    });
    session.once("connect", () => resolve(session));
    session.once("error", reject);
  });
}

function prepare(call: PlannedCall): ReadyCall {
  return {
    path: call.path,
    frames: call.frames.map((frame) => {
      const bytes = Buffer.from(frame, "base64");
      return { bytes, fresh: placesOf(bytes, call.freshMark), route: placesOf(bytes, call.routeMark) };
    }),
  };
}

function placesOf(bytes: Buffer, mark: string): number[] {
  const places: number[] = [];
  if (mark === "") return places;
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) places.push(at);
  return places;
}

/** The route id in a ResolveRoute answer: the first field of the first field. */
function routeIdOf(answer: Buffer): string {
  let at = 6;
  while (((answer[at] ?? 0) & 0x80) !== 0) at += 1;
  return answer.toString("latin1", at + 3, at + 3 + ID_CHARS);
}

function runChain(): void {
  const started = performance.now();
  const index = turn;
  turn += 1;
  active += 1;
  // A time-ordered id of UUID length, as callers are advised to use.
  const fresh = `${Math.floor(started).toString(16).padStart(8, "0")}-${idPrefix}-${index.toString(16).padStart(14, "0")}`;
  const session = sessions[index % sessions.length] as ClientHttp2Session;
  callNext(session, 0, index, fresh.padEnd(ID_CHARS, "0").slice(0, ID_CHARS), "", started);
}

function callNext(
  session: ClientHttp2Session,
  step: number,
  index: number,
  fresh: string,
  route: string,
  started: number,
): void {
  const call = chain[step];
  if (call === undefined) {
    finish(started);
    return;
  }
  const frame = call.frames[index % call.frames.length];
  if (frame === undefined) throw new Error("a planned call has no frame");
  const bytes = frame.fresh.length + frame.route.length === 0 ? frame.bytes : Buffer.from(frame.bytes);
  for (const at of frame.fresh) bytes.write(fresh, at, "latin1");
  for (const at of frame.route) bytes.write(route, at, "latin1");
  const stream = session.request({
    ":method": "POST",
    ":path": call.path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const parts: Buffer[] = [];
  let status = "";
  let message = "";
  stream.on("response", (headers) => {
    status = String(headers["grpc-status"] ?? "");
    message = String(headers["grpc-message"] ?? "");
  });
  stream.on("trailers", (trailers) => {
    status = String(trailers["grpc-status"] ?? status);
    message = String(trailers["grpc-message"] ?? message);
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  stream.on("error", () => {
    status = status || "stream error";
  });
  stream.on("close", () => {
    if (status !== "0") {
      failures[status] = { message, count: (failures[status]?.count ?? 0) + 1 };
      finish(started);
      return;
    }
    const answer = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    if (step === 0) {
      answerBytes += answer.length;
      answers += 1;
    }
    callNext(session, step + 1, index, fresh, step + 1 < chain.length ? routeIdOf(answer) : "", started);
  });
  stream.end(bytes);
}

function finish(started: number): void {
  active -= 1;
  if (measuring) {
    chains += 1;
    latenciesMs.push(performance.now() - started);
  }
  if (running && plan.ratePerSecond === 0) runChain();
}

/** Starts chains at a fixed rate, however long they take: the waiting that a closed loop would hide is seen. */
function paceFrom(startMs: number): NodeJS.Timeout {
  let startedCount = 0;
  return setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) / 1000) * plan.ratePerSecond);
    for (; startedCount < due; startedCount += 1) if (active < plan.inFlight) runChain();
  }, 1);
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const pacer = plan.ratePerSecond > 0 ? paceFrom(performance.now()) : undefined;
if (pacer === undefined) for (let i = 0; i < plan.inFlight; i += 1) runChain();
await sleep(plan.warmUpMs);
const cpuBefore = process.cpuUsage();
const measureStart = performance.now();
measuring = true;
await sleep(plan.measureMs);
measuring = false;
const seconds = (performance.now() - measureStart) / 1000;
const cpu = process.cpuUsage(cpuBefore);
running = false;
clearInterval(pacer);
while (active > 0) await sleep(5);
for (const session of sessions) session.close();

latenciesMs.sort((a, b) => a - b);
const at = (share: number): number =>
  latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0;
const result: LoadResult = {
  chains,
  seconds,
  failures,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  answerBytes: answers === 0 ? 0 : Math.round(answerBytes / answers),
  ownCpu: (cpu.user + cpu.system) / 1e6 / seconds,
};
console.log(JSON.stringify(result));
