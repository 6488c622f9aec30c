import { X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import {
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  type Extension,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
} from "@peculiar/asn1-x509";
import { isStrongKey, isStrongSignature } from "./certificate-strength.ts";
import { formatSpiffeId, parseSpiffeId } from "./spiffe-id.ts";

/** The rule that a certificate breaks. Names of ours: they may be shown to the caller. */
export type SvidFault =
  | "UNREADABLE"
  | "DUPLICATE_EXTENSION"
  | "NO_URI"
  | "SEVERAL_URIS"
  | "DNS_NAME_INVALID"
  | "SPIFFE_ID_INVALID"
  | "TRUST_DOMAIN_FOREIGN"
  | "IS_CA"
  | "KEY_USAGE"
  | "EXTENDED_KEY_USAGE"
  | "NOT_YET_VALID"
  | "EXPIRED"
  | "KEY_WEAK"
  | "SIGNATURE_WEAK";

/** What a certificate says about its holder. */
export type SvidReading =
  | {
      readonly kind: "ok";
      /** Trust domain in lower case. */
      readonly spiffeId: string;
      readonly path: string;
      readonly notAfterMs: number;
      /** Hexadecimal, lower case. */
      readonly serial: string;
    }
  | { readonly kind: "refused"; readonly why: SvidFault };

/** What a certificate is judged against. */
export interface SvidExpectation {
  readonly trustDomain: string;
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: number;
}

const DNS_NAME = /^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$/;

/**
 * Reads a leaf certificate (DER) as an X.509-SVID (SPIFFE X509-SVID §2-§4) after the TLS stack has verified its chain: Node's own view of a
 * certificate shows neither key usages nor, safely, its alternative names. Never throws, whatever the bytes are.
 */
export function readSvid(derCertificate: Uint8Array, expected: SvidExpectation): SvidReading {
  try {
    return judge(derCertificate, expected);
  } catch {
    return refused("UNREADABLE");
  }
}

function judge(der: Uint8Array, expected: SvidExpectation): SvidReading {
  const certificate = AsnConvert.parse(der, Certificate);
  const tbs = certificate.tbsCertificate;
  const extensions = new Map<string, Extension>();
  for (const extension of tbs.extensions ?? []) {
    if (extensions.has(extension.extnID)) return refused("DUPLICATE_EXTENSION");
    extensions.set(extension.extnID, extension);
  }
  const fault =
    usageFault(extensions) ??
    validityFault(tbs.validity.notBefore.getTime(), tbs.validity.notAfter.getTime(), expected);
  if (fault !== undefined) return refused(fault);
  if (!isStrongSignature(certificate.signatureAlgorithm)) return refused("SIGNATURE_WEAK");
  const parsed = new X509Certificate(der);
  if (!isStrongKey(parsed.publicKey)) return refused("KEY_WEAK");

  const name = readUri(extensions.get(id_ce_subjectAltName));
  if (name.kind === "refused") return name;
  const id = parseSpiffeId(name.uri);
  if (id === undefined) return refused("SPIFFE_ID_INVALID");
  if (id.trustDomain !== expected.trustDomain.toLowerCase()) return refused("TRUST_DOMAIN_FOREIGN");
  return {
    kind: "ok",
    spiffeId: formatSpiffeId(id),
    path: id.path,
    notAfterMs: tbs.validity.notAfter.getTime().getTime(),
    serial: Buffer.from(tbs.serialNumber).toString("hex"),
  };
}

/** Exactly one URI; other kinds of names may stand beside it, but a DNS name that is none was put there to mislead a reader of text. */
function readUri(
  extension: Extension | undefined,
): { readonly kind: "ok"; readonly uri: string } | { readonly kind: "refused"; readonly why: SvidFault } {
  if (extension === undefined) return refused("NO_URI");
  const names = AsnConvert.parse(extension.extnValue, SubjectAlternativeName);
  const uris: string[] = [];
  for (const name of names) {
    if (name.uniformResourceIdentifier !== undefined) uris.push(name.uniformResourceIdentifier);
    if (name.dNSName !== undefined && !(name.dNSName.length <= 253 && DNS_NAME.test(name.dNSName)))
      return refused("DNS_NAME_INVALID");
  }
  const [uri] = uris;
  if (uri === undefined) return refused("NO_URI");
  return uris.length > 1 ? refused("SEVERAL_URIS") : { kind: "ok", uri };
}

function usageFault(extensions: ReadonlyMap<string, Extension>): SvidFault | undefined {
  const constraints = extensions.get(id_ce_basicConstraints);
  if (constraints !== undefined && AsnConvert.parse(constraints.extnValue, BasicConstraints).cA) return "IS_CA";

  const keyUsage = extensions.get(id_ce_keyUsage);
  if (keyUsage === undefined || !keyUsage.critical) return "KEY_USAGE";
  const bits = AsnConvert.parse(keyUsage.extnValue, KeyUsage).toNumber();
  if ((bits & KeyUsageFlags.digitalSignature) === 0) return "KEY_USAGE";
  if ((bits & (KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign)) !== 0) return "KEY_USAGE";

  const extended = extensions.get(id_ce_extKeyUsage);
  if (extended === undefined) return undefined;
  const usages = AsnConvert.parse(extended.extnValue, ExtendedKeyUsage);
  return usages.includes(id_kp_clientAuth) && usages.includes(id_kp_serverAuth) ? undefined : "EXTENDED_KEY_USAGE";
}

function validityFault(notBefore: Date, notAfter: Date, { nowMs }: SvidExpectation): SvidFault | undefined {
  // Written so that a date that does not parse (NaN) refuses.
  if (!(notBefore.getTime() <= nowMs)) return "NOT_YET_VALID";
  return nowMs < notAfter.getTime() ? undefined : "EXPIRED";
}

function refused(why: SvidFault): { readonly kind: "refused"; readonly why: SvidFault } {
  return { kind: "refused", why };
}
