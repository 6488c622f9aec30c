import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";

const FILE_MAX_BYTES = 1024 * 1024;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The text of a PEM file. Throws an Error that names `part` and the file, and shows nothing of what is in it. */
export async function readPem(file: string, part: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new Error(`the ${part} file cannot be read: ${file}`, { cause });
  });
  if (bytes.length > FILE_MAX_BYTES) throw new Error(`the ${part} file is larger than 1 MiB`);
  return bytes.toString("latin1");
}

/** The certificates of a PEM text, in its order. Throws an Error that names `part` when one of them is cut short or does not parse. */
export function certificatesIn(pem: string, part: string): X509Certificate[] {
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

/** Whether a certificate and a private key (PEM) belong together. Throws an Error when the key does not parse. */
export function isPair(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error("the private key does not parse");
  }
}
