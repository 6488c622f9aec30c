import { createHash } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { certificatesIn, isPair, readPem } from "../../base/pem.ts";

/** Where the host's certificate, its key and the service's authority lie, as PEM. */
export interface MaterialFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** TLS material that was checked: everything parses, and certificate and key belong together. */
export interface Material {
  readonly context: SecureContext;
  /** When the host's certificate ends, in milliseconds since the Unix epoch. */
  readonly notAfterMs: number;
  /** SHA-256 of all of it, to tell whether it changed. */
  readonly digest: string;
}

/** Reads and checks the files. Throws an Error that names the part that is wrong and shows nothing of it. */
export async function loadMaterial(files: MaterialFiles): Promise<Material> {
  const [cert, key, ca] = await Promise.all([
    readPem(files.certFile, "certificate"),
    readPem(files.keyFile, "private key"),
    readPem(files.caFile, "authority"),
  ]);
  const [leaf] = certificatesIn(cert, "certificate");
  if (leaf === undefined) throw new Error("the certificate file holds no certificate");
  // Without an authority Node would trust the public ones.
  if (certificatesIn(ca, "authority").length === 0) throw new Error("the authority file holds no certificate");
  if (!isPair(leaf, key)) throw new Error("certificate and private key do not belong together");
  // The last word is OpenSSL's: what it cannot load must not replace what serves.
  const context = createSecureContext({ cert, key, ca, minVersion: "TLSv1.3" });
  const digest = createHash("sha256").update(`${cert}\n${key}\n${ca}`).digest("hex");
  return { context, notAfterMs: Date.parse(leaf.validTo), digest };
}
