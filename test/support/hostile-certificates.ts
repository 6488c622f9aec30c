import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { GeneralName, id_ce_subjectAltName, SubjectAlternativeName } from "@peculiar/asn1-x509";
import {
  ExtendedKeyUsage,
  Extension,
  type Issuer,
  KeyUsageFlags,
  type Minted,
} from "../../src/doors/mint-certificate.ts";
import type { SvidFault } from "../../src/identity/svid.ts";
import { mintSvid, TRUST_DOMAIN } from "./pki.ts";

/** A certificate whose chain is right and which breaks one rule of an X.509-SVID. */
export interface HostileCertificate {
  readonly name: string;
  readonly why: SvidFault;
  mint(issuer: Issuer): Promise<Minted>;
}

const host = `spiffe://${TRUST_DOMAIN}/agent-host/h1`;
const admin = `spiffe://${TRUST_DOMAIN}/admin/root`;
const url = (value: string) => ({ type: "url", value }) as const;

function withNames(name: string, why: SvidFault, ...uris: readonly string[]): HostileCertificate {
  return { name, why, mint: (issuer) => mintSvid(issuer, "/", { names: uris.map(url) }) };
}

/** Names as DER, since a minting library may refuse to write them. */
function rawNames(names: readonly GeneralName[]): Extension {
  return new Extension(id_ce_subjectAltName, false, AsnConvert.serialize(new SubjectAlternativeName([...names])));
}

/** Every one of them passes Node's own verification. */
export const HOSTILE_CERTIFICATES: readonly HostileCertificate[] = [
  withNames("two URIs", "SEVERAL_URIS", host, admin),
  withNames("no name at all", "NO_URI"),
  {
    name: "a DNS name only",
    why: "NO_URI",
    mint: (issuer) => mintSvid(issuer, "/", { names: [{ type: "dns", value: "h1.example" }] }),
  },
  withNames("an http URI", "SPIFFE_ID_INVALID", `http://${TRUST_DOMAIN}/agent-host/h1`),
  withNames("another trust domain", "TRUST_DOMAIN_FOREIGN", "spiffe://evil.example/agent-host/h1"),
  withNames(
    "a trust domain that ends like ours",
    "TRUST_DOMAIN_FOREIGN",
    `spiffe://evil.${TRUST_DOMAIN}/agent-host/h1`,
  ),
  withNames("no path", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}`),
  withNames("the root path", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}/`),
  withNames("a dot-dot segment", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}/agent-host/../admin/root`),
  withNames("an empty segment", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}//admin/root`),
  withNames("a trailing slash", "SPIFFE_ID_INVALID", `${admin}/`),
  withNames("percent-encoding", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}/agent%2Dhost/h1`),
  withNames("a port", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}:443/admin/root`),
  withNames("a user", "SPIFFE_ID_INVALID", `spiffe://${TRUST_DOMAIN}@evil.example/admin/root`),
  withNames("a query", "SPIFFE_ID_INVALID", `${host}?as=admin`),
  withNames("a fragment", "SPIFFE_ID_INVALID", `${host}#admin`),
  withNames("a comma in the URI", "SPIFFE_ID_INVALID", `${host}, URI:${admin}`),
  {
    name: "a DNS name that pretends to be a URI",
    why: "DNS_NAME_INVALID",
    mint: (issuer) =>
      mintSvid(issuer, "/", {
        names: [],
        extensions: [
          rawNames([
            new GeneralName({ dNSName: `evil, URI:${admin}` }),
            new GeneralName({ uniformResourceIdentifier: host }),
          ]),
        ],
      }),
  },
  {
    name: "a zero byte in the URI",
    why: "SPIFFE_ID_INVALID",
    mint: (issuer) =>
      mintSvid(issuer, "/", {
        names: [],
        extensions: [rawNames([new GeneralName({ uniformResourceIdentifier: `${admin}\0.evil` })])],
      }),
  },
  {
    name: "an authority as a leaf",
    why: "IS_CA",
    mint: (issuer) =>
      mintSvid(issuer, "/agent-host/h1", {
        isAuthority: true,
        keyUsage: { flags: KeyUsageFlags.digitalSignature, critical: true },
      }),
  },
  {
    name: "a leaf that may sign certificates",
    why: "KEY_USAGE",
    mint: (issuer) =>
      mintSvid(issuer, "/agent-host/h1", {
        keyUsage: { flags: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, critical: true },
      }),
  },
  {
    name: "a leaf that may sign revocation lists",
    why: "KEY_USAGE",
    mint: (issuer) =>
      mintSvid(issuer, "/agent-host/h1", {
        keyUsage: { flags: KeyUsageFlags.digitalSignature | KeyUsageFlags.cRLSign, critical: true },
      }),
  },
  {
    name: "no key usage",
    why: "KEY_USAGE",
    mint: (issuer) => mintSvid(issuer, "/agent-host/h1", { keyUsage: "absent" }),
  },
  {
    name: "a key usage that is not critical",
    why: "KEY_USAGE",
    mint: (issuer) =>
      mintSvid(issuer, "/agent-host/h1", { keyUsage: { flags: KeyUsageFlags.digitalSignature, critical: false } }),
  },
  {
    name: "an extended key usage without server authentication",
    why: "EXTENDED_KEY_USAGE",
    mint: (issuer) => mintSvid(issuer, "/agent-host/h1", { extendedKeyUsage: [ExtendedKeyUsage.clientAuth] }),
  },
];

/** Refused by the reader, and by OpenSSL's own rules before that: they never get as far as a call. */
export const REFUSED_AT_HANDSHAKE: readonly HostileCertificate[] = [
  {
    name: "an extended key usage without client authentication",
    why: "EXTENDED_KEY_USAGE",
    mint: (issuer) => mintSvid(issuer, "/agent-host/h1", { extendedKeyUsage: [ExtendedKeyUsage.serverAuth] }),
  },
  {
    name: "an RSA key of 1024 bits",
    why: "KEY_WEAK",
    mint: (issuer) =>
      mintSvid(issuer, "/agent-host/h1", {
        algorithm: {
          name: "RSASSA-PKCS1-v1_5",
          hash: "SHA-256",
          modulusLength: 1024,
          publicExponent: new Uint8Array([1, 0, 1]),
        },
      }),
  },
  {
    name: "a SHA-1 signature",
    why: "SIGNATURE_WEAK",
    mint: (issuer) => mintSvid(issuer, "/agent-host/h1", { signatureHash: "SHA-1" }),
  },
  {
    name: "a life that is over",
    why: "EXPIRED",
    mint: (issuer) => mintSvid(issuer, "/agent-host/h1", { notAfterMs: Date.now() - 60_000 }),
  },
  {
    name: "a life that has not begun",
    why: "NOT_YET_VALID",
    mint: (issuer) => mintSvid(issuer, "/agent-host/h1", { notBeforeMs: Date.now() + 600_000 }),
  },
  {
    name: "two lists of names",
    why: "DUPLICATE_EXTENSION",
    mint: (issuer) =>
      mintSvid(issuer, "/agent-host/h1", {
        extensions: [rawNames([new GeneralName({ uniformResourceIdentifier: admin })])],
      }),
  },
  {
    name: "names that do not parse",
    why: "UNREADABLE",
    mint: (issuer) =>
      mintSvid(issuer, "/", {
        names: [],
        extensions: [new Extension(id_ce_subjectAltName, false, new OctetString([0x30, 0x7f, 1]).buffer)],
      }),
  },
];
