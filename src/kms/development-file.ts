import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { DATA_KEY_BYTES } from "./check-answer.ts";
import type { DevelopmentKey, DevelopmentKeyState } from "./development-keyring.ts";

const FORMAT = "plori development kms";
const OWNER_ONLY = 0o600;
const STATES: readonly DevelopmentKeyState[] = [
  "Enabled",
  "Disabled",
  "PendingDeletion",
  "PendingImport",
  "Unavailable",
];

/**
 * The keys in `file`, or `fresh` written there when the file does not exist yet. When two processes make it at once, both use the one that came first.
 * Throws when the file is not one of ours: it is never overwritten, because what it wraps would be lost with it.
 */
export function loadOrMakeKeys(file: string, fresh: () => DevelopmentKey[]): DevelopmentKey[] {
  const found = readKeys(file);
  if (found !== undefined) return found;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = writeTemporary(file, fresh());
  try {
    // Unlike a rename, a link does not replace a file that another process has made meanwhile.
    linkSync(temporary, file);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(file);
  const made = readKeys(file);
  if (made === undefined) throw new Error(`development KMS: ${file} vanished while it was made`);
  return made;
}

/** Replaces the keys in `file` as one step that survives a crash. */
export function saveKeys(file: string, keys: readonly DevelopmentKey[]): void {
  renameSync(writeTemporary(file, keys), file);
  syncFolder(file);
}

function writeTemporary(file: string, keys: readonly DevelopmentKey[]): string {
  const temporary = `${file}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  const handle = openSync(temporary, "wx", OWNER_ONLY);
  try {
    const stored = keys.map((key) => ({ ...key, materials: key.materials.map((m) => m.toString("base64")) }));
    writeSync(handle, `${JSON.stringify({ format: FORMAT, version: 1, keys: stored }, null, 2)}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return temporary;
}

function syncFolder(file: string): void {
  const handle = openSync(dirname(file), "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function readKeys(file: string): DevelopmentKey[] | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
  chmodSync(file, OWNER_ONLY);
  const keys = parseKeys(text);
  if (keys === undefined)
    throw new Error(`development KMS: ${file} is damaged or not a key file; restore or remove it`);
  return keys;
}

function parseKeys(text: string): DevelopmentKey[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value["format"] !== FORMAT || value["version"] !== 1) return undefined;
  const stored = value["keys"];
  if (!Array.isArray(stored)) return undefined;
  const keys = stored.map(parseKey);
  const whole = keys.filter((key) => key !== undefined);
  return whole.length === keys.length && whole.length > 0 ? whole : undefined;
}

function parseKey(value: unknown): DevelopmentKey | undefined {
  if (!isObject(value)) return undefined;
  const { keyArn, aliases, materials } = value;
  const state = STATES.find((known) => known === value["state"]);
  if (typeof keyArn !== "string" || state === undefined || !isStrings(aliases) || !isStrings(materials)) {
    return undefined;
  }
  const buffers = materials.map((material) => Buffer.from(material, "base64"));
  if (buffers.length === 0 || buffers.some((buffer) => buffer.length !== DATA_KEY_BYTES)) return undefined;
  return { keyArn, aliases, materials: buffers, state };
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
