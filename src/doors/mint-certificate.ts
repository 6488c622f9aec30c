import "reflect-metadata";
import { KeyObject, type webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

// The library works only after reflect-metadata was loaded, which the import above sees to: take its parts from here.
export { ExtendedKeyUsage, Extension, KeyUsageFlags };

/** Who signs certificates. */
export interface Issuer {
  readonly subject: string;
  readonly privateKey: webcrypto.CryptoKey;
}

/** A certificate with the key that belongs to it. */
export interface Minted extends Issuer {
  /** PEM. */
  readonly cert: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

/** What goes into a certificate. The defaults make a proper X.509-SVID; everything can be set, so that tests can mint hostile ones. */
export interface MintOptions {
  /** Distinguished name, for example "CN=server". */
  readonly subject: string;
  /** Who signs. Absent: the certificate signs itself. */
  readonly issuer?: Issuer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Subject alternative names. */
  readonly names?: readonly JsonGeneralName[];
  /** An authority: may sign certificates, and no handshakes. */
  readonly isAuthority?: boolean;
  readonly keyUsage?: { readonly flags: KeyUsageFlags; readonly critical: boolean } | "absent";
  readonly extendedKeyUsage?: readonly ExtendedKeyUsage[] | "absent";
  /** Further extensions. */
  readonly extensions?: readonly Extension[];
  /** WebCrypto's name of the key's algorithm. Default: ECDSA on P-256. */
  readonly algorithm?: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams;
  /** Hash of the issuer's signature, where its key leaves a choice. */
  readonly signatureHash?: "SHA-256" | "SHA-1";
}

const P256: webcrypto.EcKeyGenParams = { name: "ECDSA", namedCurve: "P-256" };

/** Mints one certificate with a fresh key. */
export async function mintCertificate(options: MintOptions): Promise<Minted> {
  const isAuthority = options.isAuthority === true;
  const algorithm = options.algorithm ?? P256;
  const keys = await generateKeys(algorithm);
  const extensions: Extension[] = [new BasicConstraintsExtension(isAuthority, undefined, true)];
  if (options.keyUsage !== "absent") {
    const usage = options.keyUsage ?? {
      flags: isAuthority ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature,
      critical: true,
    };
    extensions.push(new KeyUsagesExtension(usage.flags, usage.critical));
  }
  if (!isAuthority && options.extendedKeyUsage !== "absent") {
    const usages = options.extendedKeyUsage ?? [ExtendedKeyUsage.clientAuth, ExtendedKeyUsage.serverAuth];
    extensions.push(new ExtendedKeyUsageExtension([...usages]));
  }
  if (options.names !== undefined && options.names.length > 0)
    extensions.push(new SubjectAlternativeNameExtension([...options.names]));
  extensions.push(...(options.extensions ?? []));

  const { subject } = options;
  const issuer = options.issuer ?? { subject, privateKey: keys.privateKey };
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: issuer.subject,
    notBefore: new Date(options.notBeforeMs),
    notAfter: new Date(options.notAfterMs),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: { name: issuer.privateKey.algorithm.name, hash: options.signatureHash ?? "SHA-256" },
    extensions,
  });
  return {
    cert: `${certificate.toString("pem")}\n`,
    key: KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }).toString(),
    subject,
    privateKey: keys.privateKey,
  };
}

async function generateKeys(
  algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 §4.1.2.2 allows at most 20). */
function randomSerial(): string {
  const bytes = crypto.getRandomValues(Buffer.alloc(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}
