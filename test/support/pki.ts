import { type Issuer, type Minted, type MintOptions, mintCertificate } from "../../src/doors/mint-certificate.ts";

export const TRUST_DOMAIN = "test.plori.internal";
const HOUR_MS = 3_600_000;

/** What a TLS client or server of a test needs. */
export interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** An authority that is valid now. */
export function mintAuthority(name = "test authority"): Promise<Minted> {
  const nowMs = Date.now();
  return mintCertificate({
    subject: `CN=${name}`,
    isAuthority: true,
    notBeforeMs: nowMs - HOUR_MS,
    notAfterMs: nowMs + 24 * HOUR_MS,
  });
}

/** A proper X.509-SVID for `path`, unless `changes` make it something else. */
export function mintSvid(issuer: Issuer, path: string, changes: Partial<MintOptions> = {}): Promise<Minted> {
  const nowMs = Date.now();
  return mintCertificate({
    subject: "CN=test",
    issuer,
    notBeforeMs: nowMs - HOUR_MS,
    notAfterMs: nowMs + HOUR_MS,
    names: [{ type: "url", value: `spiffe://${TRUST_DOMAIN}${path}` }],
    ...changes,
  });
}

/** The certificate of a server on loopback. */
export function mintServer(issuer: Issuer): Promise<Minted> {
  return mintSvid(issuer, "/server/test", {
    names: [
      { type: "dns", value: "localhost" },
      { type: "ip", value: "127.0.0.1" },
      { type: "url", value: `spiffe://${TRUST_DOMAIN}/server/test` },
    ],
  });
}

/** A PEM certificate's DER. */
export function derOf({ cert }: { readonly cert: string }): Buffer {
  return Buffer.from(cert.replace(/-----[A-Z ]+-----/g, ""), "base64");
}
