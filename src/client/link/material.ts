import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContext } from "node:tls";

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

const FILE_MAX_BYTES = 1024 * 1024;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads and checks the files. Throws an Error that names the part that is wrong and shows nothing of it. */
export async function loadMaterial(files: MaterialFiles): Promise<Material> {
  const [cert, key, ca] = await Promise.all([
    readPem(files.certFile, "certificate"),
    readPem(files.keyFile, "private key"),
    readPem(files.caFile, "authority"),
  ]);
  const [leaf] = certificates(cert, "certificate");
  if (leaf === undefined) throw new Error("the certificate file holds no certificate");
  // Without an authority Node would trust the public ones.
  if (certificates(ca, "authority").length === 0) throw new Error("the authority file holds no certificate");
  if (!isPair(leaf, key)) throw new Error("certificate and private key do not belong together");
  // The last word is OpenSSL's: what it cannot load must not replace what serves.
  const context = createSecureContext({ cert, key, ca, minVersion: "TLSv1.3" });
  const digest = createHash("sha256").update(`${cert}\n${key}\n${ca}`).digest("hex");
  return { context, notAfterMs: Date.parse(leaf.validTo), digest };
}

async function readPem(file: string, part: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new Error(`the ${part} file cannot be read`, { cause });
  });
  if (bytes.length > FILE_MAX_BYTES) throw new Error(`the ${part} file is larger than 1 MiB`);
  return bytes.toString("latin1");
}

function certificates(pem: string, part: string): X509Certificate[] {
  const blocks = pem.match(PEM_CERTIFICATE) ?? [];
  // A file that was caught half-written ends within a certificate.
  if (blocks.length !== pem.split("-----BEGIN CERTIFICATE-----").length - 1)
    throw new Error(`the ${part} file is cut short`);
  return blocks.map((block) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Error(`the ${part} file does not parse`);
    }
  });
}

function isPair(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error("the private key does not parse");
  }
}
