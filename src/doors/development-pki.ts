import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Clock } from "../base/clock.ts";
import { readSvid } from "../identity/svid.ts";
import { type Issuer, mintCertificate } from "./mint-certificate.ts";

const YEAR_MS = 365 * 86_400_000;
const CA_LIFE_MS = 10 * YEAR_MS;
const LEAF_LIFE_MS = YEAR_MS;
/** A fresh certificate must also be valid on a machine whose clock is a little behind. */
const BACKDATE_MS = 5 * 60_000;
const LOCK_HELD_MAX_MS = 10_000;
const LOCK_WAIT_MS = 50;

const LEAVES = [
  { name: "server", path: "/server/dev" },
  { name: "admin", path: "/admin/dev" },
  { name: "billing", path: "/billing/dev" },
  { name: "auditor", path: "/auditor/dev" },
  { name: "settings", path: "/settings/dev" },
  { name: "scheduler", path: "/scheduler/dev" },
  { name: "recorder", path: "/recorder/dev" },
  { name: "agent-host-1", path: "/agent-host/agent-host-1" },
  { name: "agent-host-2", path: "/agent-host/agent-host-2" },
] as const;

/** The trust domain of the development profile. */
export const DEVELOPMENT_TRUST_DOMAIN = "dev.plori.internal";

/**
 * Makes sure that `directory` holds a development authority (`ca.pem`, `ca.key`) and a certificate with its key (`<name>.pem`, `<name>.key`, mode 0600)
 * for the server and for one caller of each role. What is there and has a third of its life left is kept; everything else is minted anew. Files are replaced
 * whole, and two processes that start at once take turns. For development only: whoever reads the directory can be anyone.
 */
export async function ensureDevelopmentPki(
  directory: string,
  { clock, trustDomain }: { readonly clock: Clock; readonly trustDomain: string },
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const unlock = await lock(join(directory, ".lock"));
  try {
    const nowMs = clock.nowMs();
    const authority = (await readAuthority(directory, nowMs)) ?? (await mintAuthority(directory, nowMs));
    for (const leaf of LEAVES) {
      const spiffeId = `spiffe://${trustDomain}${leaf.path}`;
      if (await isLeafGood(directory, leaf.name, { authority: authority.certificate, spiffeId, trustDomain, nowMs }))
        continue;
      const minted = await mintCertificate({
        subject: `CN=${leaf.name}`,
        issuer: authority.issuer,
        notBeforeMs: nowMs - BACKDATE_MS,
        notAfterMs: nowMs + LEAF_LIFE_MS,
        names: [...(leaf.name === "server" ? SERVER_NAMES : []), { type: "url", value: spiffeId }],
      });
      await writePair(directory, leaf.name, minted);
    }
  } finally {
    await unlock();
  }
}

const SERVER_NAMES = [
  { type: "dns", value: "localhost" },
  { type: "ip", value: "127.0.0.1" },
  { type: "ip", value: "::1" },
] as const;

interface Authority {
  readonly certificate: X509Certificate;
  readonly issuer: Issuer;
}

async function readAuthority(directory: string, nowMs: number): Promise<Authority | undefined> {
  const pair = await readPair(directory, "ca");
  if (pair === undefined || !pair.certificate.ca || !hasLifeLeft(pair.certificate, CA_LIFE_MS, nowMs)) return undefined;
  const der = createPrivateKey(pair.key).export({ type: "pkcs8", format: "der" });
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("pkcs8", new Uint8Array(der), algorithm, false, ["sign"]);
  return { certificate: pair.certificate, issuer: { subject: pair.certificate.subject, privateKey } };
}

async function mintAuthority(directory: string, nowMs: number): Promise<Authority> {
  // A name of its own for each: a verifier finds an issuer by name, and must not find the one before.
  const subject = `CN=plori development CA ${randomBytes(4).toString("hex")}`;
  const minted = await mintCertificate({
    subject,
    isAuthority: true,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: nowMs + CA_LIFE_MS,
  });
  await writePair(directory, "ca", minted);
  return { certificate: new X509Certificate(minted.cert), issuer: minted };
}

async function isLeafGood(
  directory: string,
  name: string,
  expected: {
    readonly authority: X509Certificate;
    readonly spiffeId: string;
    readonly trustDomain: string;
    readonly nowMs: number;
  },
): Promise<boolean> {
  const pair = await readPair(directory, name);
  if (pair === undefined || !hasLifeLeft(pair.certificate, LEAF_LIFE_MS, expected.nowMs)) return false;
  if (!pair.certificate.checkIssued(expected.authority)) return false;
  if (!pair.certificate.verify(expected.authority.publicKey)) return false;
  const svid = readSvid(pair.certificate.raw, expected);
  return svid.kind === "ok" && svid.spiffeId === expected.spiffeId;
}

function hasLifeLeft(certificate: X509Certificate, lifeMs: number, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && certificate.validToDate.getTime() - nowMs >= lifeMs / 3;
}

/** A certificate and its key; undefined when one is missing or unreadable, or when they do not belong together (a process died between the two). */
async function readPair(
  directory: string,
  name: string,
): Promise<{ readonly certificate: X509Certificate; readonly key: string } | undefined> {
  try {
    const certificate = new X509Certificate(await readFile(join(directory, `${name}.pem`)));
    const key = await readFile(join(directory, `${name}.key`), "utf8");
    return certificate.checkPrivateKey(createPrivateKey(key)) ? { certificate, key } : undefined;
  } catch {
    return undefined;
  }
}

async function writePair(directory: string, name: string, pair: { readonly cert: string; readonly key: string }) {
  await replaceFile(join(directory, `${name}.key`), pair.key, 0o600);
  await replaceFile(join(directory, `${name}.pem`), pair.cert, 0o644);
}

async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
  const file = await open(temporary, "wx", mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function lock(path: string): Promise<() => Promise<void>> {
  for (let waitedMs = 0; ; waitedMs += LOCK_WAIT_MS) {
    try {
      const file = await open(path, "wx", 0o600);
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    // Minting takes well under a second: a lock that is held for long, or whose process is gone, was left behind.
    if (waitedMs >= LOCK_HELD_MAX_MS || !(await isHolderAlive(path))) await rm(path, { force: true });
    else await setTimeout(LOCK_WAIT_MS);
  }
}

async function isHolderAlive(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, "utf8"));
    // The holder may not have written its number yet.
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch (error) {
    // No such process. A lock that has gone meanwhile (ENOENT) is simply tried for again.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}
