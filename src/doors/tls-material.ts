import { createSecureContext } from "node:tls";
import { certificatesIn, isPair, readPem } from "../base/pem.ts";

/** Where a listener's certificate, its key and the authorities of its clients come from. */
export type TlsSource =
  | { readonly kind: "files"; readonly certFile: string; readonly keyFile: string; readonly caFile: string }
  | { readonly kind: "pem"; readonly cert: string; readonly key: string; readonly ca: string };

/** TLS material that was checked: the pair belongs together, every certificate parses, and there is an authority. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** SHA-256 fingerprints of the authorities. */
  readonly authorities: ReadonlySet<string>;
  /** When the listener's own certificate ends, in milliseconds since the Unix epoch. */
  readonly notAfterMs: number;
}

/** Reads and checks TLS material. Throws an Error that names the part that is wrong and shows nothing of it. */
export async function loadTlsMaterial(source: TlsSource, nowMs: number): Promise<TlsMaterial> {
  if (source.kind === "pem") return checkTlsMaterial(source, nowMs);
  const [cert, key, ca] = await Promise.all([
    readPem(source.certFile, "certificate"),
    readPem(source.keyFile, "private key"),
    readPem(source.caFile, "client authority"),
  ]);
  return checkTlsMaterial({ cert, key, ca }, nowMs);
}

/** Checks TLS material. Throws an Error that names the part that is wrong and shows nothing of it. */
export function checkTlsMaterial(
  pem: { readonly cert: string; readonly key: string; readonly ca: string },
  nowMs: number,
): TlsMaterial {
  const [leaf, ...intermediates] = certificatesIn(pem.cert, "certificate");
  const authorities = certificatesIn(pem.ca, "client authority");
  // Without an authority Node falls back to the public ones, and any certificate of the Web would pass.
  if (authorities.length === 0) throw new Error("the client authority file holds no certificate");
  if (authorities.some((authority) => !authority.ca)) throw new Error("a client authority is not an authority");
  if (leaf === undefined) throw new Error("the certificate file holds no certificate");
  if (!isPair(leaf, pem.key)) throw new Error("certificate and private key do not belong together");
  let issued = leaf;
  for (const issuer of intermediates) {
    if (!issued.checkIssued(issuer)) throw new Error("the certificate chain is out of order");
    issued = issuer;
  }
  const notAfterMs = leaf.validToDate.getTime();
  if (leaf.validFromDate.getTime() > nowMs || notAfterMs <= nowMs) throw new Error("the certificate is not valid now");
  // The last word is OpenSSL's: what it cannot load must not replace what serves.
  createSecureContext({ cert: pem.cert, key: pem.key, ca: pem.ca });
  const fingerprints = new Set(authorities.map((authority) => authority.fingerprint256));
  return { cert: pem.cert, key: pem.key, ca: pem.ca, authorities: fingerprints, notAfterMs };
}
