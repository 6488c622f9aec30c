import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../src/base/clock.ts";
import { ensureDevelopmentPki, DEVELOPMENT_TRUST_DOMAIN as trustDomain } from "../../src/doors/development-pki.ts";
import { readSvid } from "../../src/identity/svid.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const NAMES = ["server", "admin", "billing", "auditor", "settings", "scheduler", "recorder"];
const HOSTS = ["agent-host-1", "agent-host-2"];
const YEAR_MS = 365 * 86_400_000;
let directory: ReturnType<typeof temporaryDirectory>;
let clock: ManualClock;
beforeEach(() => {
  directory = temporaryDirectory();
  clock = manualClock(Date.now());
});
afterEach(() => directory.remove());

const ensure = (domain: string = trustDomain) => ensureDevelopmentPki(directory.path, { clock, trustDomain: domain });
const read = async (name: string) => new X509Certificate(await readFile(join(directory.path, `${name}.pem`)));
async function snapshot(): Promise<Record<string, string>> {
  const files = await readdir(directory.path);
  const contents = files.map(async (file) => [file, await readFile(join(directory.path, file), "utf8")] as const);
  return Object.fromEntries(await Promise.all(contents));
}

test("everyone gets a proper SVID of the authority, and a key that only its owner can read", async () => {
  await ensure();
  const authority = await read("ca");
  for (const name of [...NAMES, ...HOSTS]) {
    const certificate = await read(name);
    expect(certificate.verify(authority.publicKey)).toBe(true);
    const path = HOSTS.includes(name) ? `/agent-host/${name}` : `/${name}/dev`;
    expect(readSvid(certificate.raw, { trustDomain, nowMs: clock.nowMs() })).toMatchObject({
      kind: "ok",
      spiffeId: `spiffe://dev.plori.internal${path}`,
    });
    expect((await stat(join(directory.path, `${name}.key`))).mode & 0o777).toBe(0o600);
  }
  const server = await read("server");
  expect(server.checkHost("localhost")).toBe("localhost");
  for (const ip of ["127.0.0.1", "::1"]) expect(server.checkIP(ip)).toBe(ip);
  expect((await readdir(directory.path)).filter((file) => !/\.(pem|key)$/.test(file))).toEqual([]);
});

test("a second run changes nothing, and so do two at once", async () => {
  await Promise.all([ensure(), ensure()]);
  const before = await snapshot();
  await Promise.all([ensure(), ensure()]);
  expect(await snapshot()).toEqual(before);
});

test("what has less than a third of its life left is renewed, the authority is not", async () => {
  await ensure();
  const before = await snapshot();
  clock.advance(YEAR_MS * 0.6);
  await ensure();
  expect(await snapshot()).toEqual(before);
  clock.advance(YEAR_MS * 0.1);
  await ensure();
  const after = await snapshot();
  expect(after["ca.pem"]).toBe(before["ca.pem"]);
  for (const name of NAMES) expect(after[`${name}.pem`]).not.toBe(before[`${name}.pem`]);
  expect((await read("admin")).verify((await read("ca")).publicKey)).toBe(true);
});

test("an authority near its end is replaced, and everyone with it", async () => {
  await ensure();
  clock.advance(YEAR_MS * 7);
  await ensure();
  const authority = await read("ca");
  for (const name of [...NAMES, ...HOSTS]) expect((await read(name)).verify(authority.publicKey)).toBe(true);
});

test("a file that is cut short, or a key of another, is made good", async () => {
  await ensure();
  await truncate(join(directory.path, "billing.pem"), 100);
  await truncate(join(directory.path, "admin.key"), 0);
  await ensure();
  const authority = await read("ca");
  for (const name of ["billing", "admin"]) expect((await read(name)).verify(authority.publicKey)).toBe(true);
});

test("a lock that a dead process left behind does not stop anyone", async () => {
  // No process has this number: it is above Linux's greatest.
  await writeFile(join(directory.path, ".lock"), "4194305");
  await ensure();
  expect((await read("ca")).ca).toBe(true);
});

test("another trust domain gets other certificates", async () => {
  await ensure();
  await ensure("other.internal");
  expect((await read("admin")).subjectAltName).toBe("URI:spiffe://other.internal/admin/dev");
});
