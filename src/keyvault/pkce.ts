import { createHash, randomBytes } from "node:crypto";
import { Secret } from "../base/secret.ts";
import type { RecordIdentity } from "../seal/ports.ts";

/** 256 bits, as RFC 7636 §7.1 recommends: 43 characters of base64url. */
const VERIFIER_RANDOM_BYTES = 32;
/** 192 bits: nobody guesses the id of a connect that somebody else began. */
const CONNECT_ID_RANDOM_BYTES = 24;
const CONNECT_ID = /^[A-Za-z0-9_-]{1,128}$/;

/** A verifier and its S256 challenge (RFC 7636 §4.1, §4.2). */
export interface Pkce {
  /** The receiver's to wipe. */
  readonly verifier: Secret;
  readonly codeChallenge: string;
}

/** Makes a fresh verifier. */
export function makePkce(): Pkce {
  const random = randomBytes(VERIFIER_RANDOM_BYTES);
  const verifier = Secret.fromText(random.toString("base64url"));
  random.fill(0);
  return { verifier, codeChallenge: createHash("sha256").update(verifier.reveal()).digest("base64url") };
}

/** Makes the id of a new connect. */
export function makeConnectId(): string {
  return randomBytes(CONNECT_ID_RANDOM_BYTES).toString("base64url");
}

/** Whether a text can be the id of a connect. */
export function isConnectId(text: string): boolean {
  return CONNECT_ID.test(text);
}

/**
 * How the audit names a connect: the beginning of the SHA-256 of its id. The id itself is what keeps others from completing the connect, so it stands in no
 * record that more people read.
 */
export function connectTag(connectId: string): string {
  return createHash("sha256").update(connectId).digest("hex").slice(0, 16);
}

/** What a sealed verifier is bound to: its account and its connect. Sealing and opening both take it from here. */
export function verifierIdentity(account: string, connectId: string): RecordIdentity {
  // No key version exists yet: the connect's id takes its place.
  return { account, provider: "openrouter", keyVersion: 0, kind: `openrouter-verifier/${connectId}` };
}
