import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Minted } from "../../src/doors/mint-certificate.ts";
import { readSvid } from "../../src/identity/svid.ts";
import { HOSTILE_CERTIFICATES, REFUSED_AT_HANDSHAKE } from "../support/hostile-certificates.ts";
import { derOf, mintAuthority, mintSvid, TRUST_DOMAIN } from "../support/pki.ts";

let authority: Minted;
beforeAll(async () => {
  authority = await mintAuthority();
});

const expected = () => ({ trustDomain: TRUST_DOMAIN, nowMs: Date.now() });

describe("a certificate that breaks a rule is refused by the rule's name:", () => {
  for (const { name, why, mint } of [...HOSTILE_CERTIFICATES, ...REFUSED_AT_HANDSHAKE]) {
    test(name, async () => {
      expect(readSvid(derOf(await mint(authority)), expected())).toEqual({ kind: "refused", why });
    });
  }
});

test("a proper SVID tells its id, its end and its serial", async () => {
  const notAfterMs = Math.floor(Date.now() / 1000) * 1000 + 60_000;
  const reading = readSvid(derOf(await mintSvid(authority, "/agent-host/h1", { notAfterMs })), expected());
  expect(reading).toEqual({
    kind: "ok",
    spiffeId: `spiffe://${TRUST_DOMAIN}/agent-host/h1`,
    path: "/agent-host/h1",
    notAfterMs,
    serial: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
});

test("an SVID without extended key usage is accepted", async () => {
  const svid = await mintSvid(authority, "/agent-host/h1", { extendedKeyUsage: "absent" });
  expect(readSvid(derOf(svid), expected()).kind).toBe("ok");
});

test("an RSA key of 2048 bits is accepted", async () => {
  const publicExponent = new Uint8Array([1, 0, 1]);
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent };
  expect(readSvid(derOf(await mintSvid(authority, "/admin/a", { algorithm })), expected()).kind).toBe("ok");
});

test("the trust domain is compared without regard to case, the path with it", async () => {
  const names = [{ type: "url", value: `spiffe://${TRUST_DOMAIN.toUpperCase()}/Agent-Host/H1` }] as const;
  const reading = readSvid(derOf(await mintSvid(authority, "/", { names })), expected());
  expect(reading).toMatchObject({ kind: "ok", spiffeId: `spiffe://${TRUST_DOMAIN}/Agent-Host/H1` });
});

test("the last millisecond of a life counts, the next does not", async () => {
  const notAfterMs = Math.floor(Date.now() / 1000) * 1000 + 60_000;
  const der = derOf(await mintSvid(authority, "/admin/a", { notAfterMs }));
  expect(readSvid(der, { trustDomain: TRUST_DOMAIN, nowMs: notAfterMs - 1 }).kind).toBe("ok");
  expect(readSvid(der, { trustDomain: TRUST_DOMAIN, nowMs: notAfterMs })).toEqual({ kind: "refused", why: "EXPIRED" });
});

test("no bytes make the reader throw", async () => {
  const der = derOf(await mintSvid(authority, "/agent-host/h1"));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const changed = Buffer.from(der);
      for (const [at, value] of changes) changed[at] = value;
      expect(["ok", "refused"]).toContain(readSvid(changed, expected()).kind);
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(readSvid(bytes, expected())).toEqual({ kind: "refused", why: "UNREADABLE" });
    }),
    { numRuns: 200 },
  );
});
