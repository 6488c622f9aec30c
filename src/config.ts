import { join } from "node:path";
import type { LogLevel } from "./base/log.ts";
import type { Provider } from "./base/provider.ts";
import { DEFAULT_ROLE_MAP, parseRoleMap, type RoleMap } from "./identity/role-map.ts";
import { DEVELOPMENT_CALLBACKS, parseCallbackOrigins } from "./keyvault/callback-origins.ts";
import { type CreditSettings, readCreditSettings } from "./ledger/credit-settings.ts";
import { parseProviderUrls } from "./providers/provider-urls.ts";
import type { DataKeyLife } from "./seal/data-key-life.ts";
import { SEAL_LIMITS } from "./seal/limits.ts";

/** The environment, as a process sees it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A host and a port to listen on; port 0 is any free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Which KMS keys data keys are wrapped under. New ones are wrapped under the first; the others open what they wrapped, until RewrapDataKeys has moved it:
 * that is how an installation goes over to another KMS key. All are asked in the one Region that the AWS settings name. After a failover, name the
 * replica of a multi-Region key (`mrk-…`) in the new Region: it opens what the primary wrapped. Keys of several Regions at once are not supported, nor
 * is a replica of a key that is not a multi-Region key, which AWS does not have. In development a KMS of our own runs on loopback.
 */
export type KmsConfig =
  | { readonly kind: "development" }
  | { readonly kind: "aws"; readonly activeKeyId: string; readonly keyIds: readonly string[] };

/** Where the server's certificate comes from. In development an authority of our own makes it. */
export type TlsConfig =
  | { readonly kind: "development"; readonly directory: string }
  | { readonly kind: "files"; readonly certFile: string; readonly keyFile: string; readonly caFile: string };

/** Everything that can be configured, checked. */
export interface Config {
  /** The development profile: it also starts with a price book, so that a newcomer's first call costs something. */
  readonly development: boolean;
  /** Sealed into every record: a record of one environment never opens in another. */
  readonly environment: string;
  readonly dataDir: string;
  readonly databasePath: string;
  /** Size of the file beside the database that is given up when the disk is full; 0: none. */
  readonly ballastBytes: number;
  /** Signed checkpoints of the audit. Outside the database; best on another disk or machine. */
  readonly auditCheckpointFile: string;
  readonly kms: KmsConfig;
  /** How long data keys serve from memory. */
  readonly dataKeyLife: DataKeyLife;
  readonly tls: TlsConfig;
  readonly trustDomain: string;
  readonly roleMap: RoleMap;
  readonly grpc: Address;
  readonly connect: Address;
  readonly ops: Address;
  readonly reflection: boolean;
  /** Origins that replace the providers' own. */
  readonly providerUrls: Readonly<Partial<Record<Provider, string>>>;
  /** Origins that OpenRouter may send users back to; none: one click is off. */
  readonly connectCallbacks: readonly string[];
  /** How long calls in flight may take once the service was told to stop, in milliseconds. */
  readonly drainMs: number;
  /** The most probes of stored keys that timers of ours start in a minute, over all accounts; 0: none. */
  readonly probesPerMinute: number;
  /** How many routes one agent host may ask for a second, and how many may be asked for one account; twice as many at once. */
  readonly resolvesPerSecond: { readonly perHost: number; readonly perAccount: number };
  /** The most lists of models fetched in a minute, over all accounts; 0: none. */
  readonly modelListsPerMinute: number;
  /** When credits count as low, how far an account may be in debt, and what list prices become in credits. */
  readonly credits: CreditSettings;
  readonly logLevel: LogLevel;
}

/** A configuration, or everything that is wrong with it at once. */
export type ConfigReading =
  | { readonly kind: "ok"; readonly config: Config; readonly unknownNames: readonly string[] }
  | { readonly kind: "wrong"; readonly problems: readonly string[] };

const NAMES = [
  "PLORI_ENVIRONMENT",
  "PLORI_ROLE_MAP",
  "PLORI_KMS_KEY_IDS",
  "PLORI_DATA_KEY_SOFT_TTL_MS",
  "PLORI_DATA_KEY_HARD_TTL_MS",
  "PLORI_GRPC_ADDRESS",
  "PLORI_CONNECT_ADDRESS",
  "PLORI_OPS_ADDRESS",
  "PLORI_DATA_DIR",
  "PLORI_DATABASE_URL",
  "PLORI_BALLAST_BYTES",
  "PLORI_AUDIT_CHECKPOINT_FILE",
  "PLORI_TLS_CERT_FILE",
  "PLORI_TLS_KEY_FILE",
  "PLORI_TLS_CA_FILE",
  "PLORI_TRUST_DOMAIN",
  "PLORI_PROVIDER_URLS",
  "PLORI_CONNECT_CALLBACKS",
  "PLORI_REFLECTION",
  "PLORI_DRAIN_MS",
  "PLORI_PROBES_PER_MINUTE",
  "PLORI_RESOLVES_PER_SECOND_PER_HOST",
  "PLORI_RESOLVES_PER_SECOND_PER_ACCOUNT",
  "PLORI_MODEL_LISTS_PER_MINUTE",
  "PLORI_CREDITS_LOW_UNITS",
  "PLORI_OVERDRAFT_LIMIT_UNITS",
  "PLORI_CREDITS_PER_USD",
  "PLORI_MARKUP_PERCENT",
  "PLORI_LOG_LEVEL",
] as const;

type Name = (typeof NAMES)[number];

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,62})$/;
const TRUST_DOMAIN = /^[a-z0-9._-]{1,255}$/;
const DRAIN_MAX_MS = 600_000;
const PROBES_PER_MINUTE_MAX = 60_000;
/** Below a second a data key would be fetched all the time; beyond an hour a KMS key that was disabled would work for too long. */
const SOFT_TTL_MIN_MS = 1_000;
const SOFT_TTL_MAX_MS = 3_600_000;
const HARD_TTL_MAX_MS = 86_400_000;
const RESOLVES_PER_SECOND_MAX = 1_000_000;
const MODEL_LISTS_PER_MINUTE_MAX = 60_000;
const MIB = 1024 * 1024;
const BALLAST_BYTES = 64 * MIB;
const BALLAST_DEVELOPMENT_BYTES = 8 * MIB;
const BALLAST_MAX_BYTES = 64 * 1024 * MIB;

/**
 * Reads the configuration. Pure: it looks at `env` and nothing else. In the development profile everything has a default; in production a missing
 * environment name, KMS key, TLS file or trust domain is refused, and all of it is named at once.
 */
export function parseConfig(env: Environment, development: boolean): ConfigReading {
  const problems: string[] = [];
  const value = (name: Name): string => env[name]?.trim() ?? "";
  const problem = (name: Name, text: string): void => void problems.push(`${name} ${text}`);

  function required(name: Name, developmentDefault: string, what: string): string {
    const given = value(name);
    if (given !== "") return given;
    if (!development) problem(name, `is missing: ${what}`);
    return developmentDefault;
  }

  function address(name: Name, port: number): Address {
    const given = value(name);
    const parsed = given === "" ? { host: "127.0.0.1", port } : parseAddress(given);
    if (parsed === undefined) problem(name, "must be host:port, for example 127.0.0.1:7443");
    return parsed ?? { host: "", port: 0 };
  }

  function rate(name: Name, otherwise: string): number {
    const given = Number(value(name) || otherwise);
    if (!Number.isInteger(given) || given < 1 || given > RESOLVES_PER_SECOND_MAX)
      problem(name, `must be a whole number of calls a second, 1-${RESOLVES_PER_SECOND_MAX}`);
    return given;
  }

  const environment = required(
    "PLORI_ENVIRONMENT",
    "development",
    "the name of this environment, for example production-eu",
  );
  if (!LABEL.test(environment)) problem("PLORI_ENVIRONMENT", "must be 1-63 of a-z 0-9 -, for example production-eu");
  const trustDomain = required("PLORI_TRUST_DOMAIN", "dev.plori.internal", "the SPIFFE trust domain of all callers");
  if (!TRUST_DOMAIN.test(trustDomain)) problem("PLORI_TRUST_DOMAIN", "must be 1-255 of a-z 0-9 . _ -");
  const dataDir = required("PLORI_DATA_DIR", ".plori", "the directory that holds the database");

  const kms = parseKms(value("PLORI_KMS_KEY_IDS"), development);
  if (kms === undefined) {
    problem(
      "PLORI_KMS_KEY_IDS",
      "is missing: the ids or ARNs of the KMS keys, separated by commas, the active one first",
    );
  }
  const dataKeyLife = parseDataKeyLife(value, problem);
  const tls = parseTls(value, development, dataDir, problem);
  const roleMap = parseRoles(value("PLORI_ROLE_MAP"), problem);
  const providerUrls = parseUrls(value("PLORI_PROVIDER_URLS"), problem);
  const callbacks = value("PLORI_CONNECT_CALLBACKS") || (development ? DEVELOPMENT_CALLBACKS : "");
  const connectCallbacks = parseCallbacks(callbacks, problem);
  const databasePath = parseDatabase(value("PLORI_DATABASE_URL"), dataDir);
  if (databasePath === undefined) problem("PLORI_DATABASE_URL", "must be sqlite:<path>, or absent");

  const logLevel = LOG_LEVELS.find((level) => level === (value("PLORI_LOG_LEVEL") || "info"));
  if (logLevel === undefined) problem("PLORI_LOG_LEVEL", `must be one of ${LOG_LEVELS.join(", ")}`);
  const reflection = value("PLORI_REFLECTION") || "on";
  if (reflection !== "on" && reflection !== "off") problem("PLORI_REFLECTION", "must be on or off");
  const drainMs = Number(value("PLORI_DRAIN_MS") || "25000");
  if (!Number.isInteger(drainMs) || drainMs < 0 || drainMs > DRAIN_MAX_MS) {
    problem("PLORI_DRAIN_MS", `must be a whole number of milliseconds, 0-${DRAIN_MAX_MS}`);
  }
  const probesPerMinute = Number(value("PLORI_PROBES_PER_MINUTE") || "600");
  if (!Number.isInteger(probesPerMinute) || probesPerMinute < 0 || probesPerMinute > PROBES_PER_MINUTE_MAX) {
    problem(
      "PLORI_PROBES_PER_MINUTE",
      `must be a whole number, 0-${PROBES_PER_MINUTE_MAX}; 0 turns re-verification off`,
    );
  }
  const resolvesPerSecond = {
    perHost: rate("PLORI_RESOLVES_PER_SECOND_PER_HOST", development ? "20000" : "2000"),
    perAccount: rate("PLORI_RESOLVES_PER_SECOND_PER_ACCOUNT", development ? "5000" : "500"),
  };
  const modelListsPerMinute = Number(value("PLORI_MODEL_LISTS_PER_MINUTE") || "600");
  if (
    !Number.isInteger(modelListsPerMinute) ||
    modelListsPerMinute < 0 ||
    modelListsPerMinute > MODEL_LISTS_PER_MINUTE_MAX
  ) {
    problem(
      "PLORI_MODEL_LISTS_PER_MINUTE",
      `must be a whole number, 0-${MODEL_LISTS_PER_MINUTE_MAX}; 0 turns fetching lists of models off`,
    );
  }
  const credits = parseCreditSettings(value, development, problem);
  const ballastBytes = Number(
    value("PLORI_BALLAST_BYTES") || (development ? BALLAST_DEVELOPMENT_BYTES : BALLAST_BYTES),
  );
  if (!Number.isInteger(ballastBytes) || ballastBytes < 0 || ballastBytes > BALLAST_MAX_BYTES)
    problem("PLORI_BALLAST_BYTES", `must be a whole number of bytes, 0-${BALLAST_MAX_BYTES}; 0: no ballast`);
  const grpc = address("PLORI_GRPC_ADDRESS", 7443);
  const connect = address("PLORI_CONNECT_ADDRESS", 7444);
  const ops = address("PLORI_OPS_ADDRESS", 7445);

  if (
    problems.length > 0 ||
    kms === undefined ||
    tls === undefined ||
    databasePath === undefined ||
    logLevel === undefined
  ) {
    return { kind: "wrong", problems };
  }
  const known: readonly string[] = NAMES;
  const unknownNames = Object.keys(env).filter((name) => name.startsWith("PLORI_") && !known.includes(name));
  const config: Config = {
    development,
    environment,
    dataDir,
    databasePath,
    ballastBytes,
    auditCheckpointFile: value("PLORI_AUDIT_CHECKPOINT_FILE") || join(dataDir, "audit-checkpoints"),
    kms,
    dataKeyLife,
    tls,
    trustDomain,
    roleMap,
    grpc,
    connect,
    ops,
    reflection: reflection === "on",
    providerUrls,
    connectCallbacks,
    drainMs,
    probesPerMinute,
    resolvesPerSecond,
    modelListsPerMinute,
    credits,
    logLevel,
  };
  return { kind: "ok", config, unknownNames };
}

function parseAddress(text: string): Address | undefined {
  const match = /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) return undefined;
  return { host: match[1].replace(/^\[|\]$/g, ""), port };
}

function parseKms(text: string, development: boolean): KmsConfig | undefined {
  const keyIds = text
    .split(",")
    .map((id) => id.trim())
    .filter((id) => id !== "");
  const [activeKeyId] = keyIds;
  if (activeKeyId !== undefined) return { kind: "aws", activeKeyId, keyIds };
  return development ? { kind: "development" } : undefined;
}

function parseDataKeyLife(value: (name: Name) => string, problem: (name: Name, text: string) => void): DataKeyLife {
  const softMs = Number(value("PLORI_DATA_KEY_SOFT_TTL_MS") || SEAL_LIMITS.softLifeMs);
  const hardMs = Number(value("PLORI_DATA_KEY_HARD_TTL_MS") || SEAL_LIMITS.hardLifeMs);
  if (!Number.isInteger(softMs) || softMs < SOFT_TTL_MIN_MS || softMs > SOFT_TTL_MAX_MS) {
    const range = `${SOFT_TTL_MIN_MS}-${SOFT_TTL_MAX_MS}`;
    problem("PLORI_DATA_KEY_SOFT_TTL_MS", `must be a whole number of milliseconds, ${range}`);
  }
  if (!Number.isInteger(hardMs) || hardMs < softMs || hardMs > HARD_TTL_MAX_MS) {
    const range = `from the soft TTL to ${HARD_TTL_MAX_MS}`;
    problem("PLORI_DATA_KEY_HARD_TTL_MS", `must be a whole number of milliseconds, ${range}`);
  }
  return { softMs, hardMs };
}

function parseTls(
  value: (name: Name) => string,
  development: boolean,
  dataDir: string,
  problem: (name: Name, text: string) => void,
): TlsConfig | undefined {
  const files = {
    PLORI_TLS_CERT_FILE: value("PLORI_TLS_CERT_FILE"),
    PLORI_TLS_KEY_FILE: value("PLORI_TLS_KEY_FILE"),
    PLORI_TLS_CA_FILE: value("PLORI_TLS_CA_FILE"),
  };
  const given = Object.values(files).filter((file) => file !== "").length;
  if (given === 0 && development) return { kind: "development", directory: join(dataDir, "pki") };
  for (const [name, file] of Object.entries(files)) {
    if (file === "")
      problem(name as Name, "is missing: a PEM file; certificate, key and client authority are needed together");
  }
  const { PLORI_TLS_CERT_FILE: certFile, PLORI_TLS_KEY_FILE: keyFile, PLORI_TLS_CA_FILE: caFile } = files;
  return given === 3 ? { kind: "files", certFile, keyFile, caFile } : undefined;
}

function parseRoles(text: string, problem: (name: Name, text: string) => void): RoleMap {
  if (text === "") return DEFAULT_ROLE_MAP;
  const reading = parseRoleMap(text);
  if (reading.kind === "ok") return reading.roleMap;
  for (const mistake of reading.mistakes) problem("PLORI_ROLE_MAP", mistake);
  return DEFAULT_ROLE_MAP;
}

function parseUrls(text: string, problem: (name: Name, text: string) => void): Config["providerUrls"] {
  if (text === "") return {};
  const reading = parseProviderUrls(text);
  if (reading.kind === "urls") return reading.urls;
  for (const mistake of reading.problems) problem("PLORI_PROVIDER_URLS", mistake);
  return {};
}

function parseCallbacks(text: string, problem: (name: Name, text: string) => void): readonly string[] {
  const reading = parseCallbackOrigins(text);
  if (reading.kind === "origins") return reading.origins;
  for (const mistake of reading.problems) problem("PLORI_CONNECT_CALLBACKS", mistake);
  return [];
}

function parseCreditSettings(
  value: (name: Name) => string,
  development: boolean,
  problem: (name: Name, text: string) => void,
): CreditSettings {
  const names = {
    lowUnits: "PLORI_CREDITS_LOW_UNITS",
    overdraftLimitUnits: "PLORI_OVERDRAFT_LIMIT_UNITS",
    creditsPerUsd: "PLORI_CREDITS_PER_USD",
    markupPercent: "PLORI_MARKUP_PERCENT",
  } as const;
  const texts = {
    lowUnits: value(names.lowUnits) || "10",
    overdraftLimitUnits: value(names.overdraftLimitUnits) || "0",
    creditsPerUsd: value(names.creditsPerUsd) || (development ? "100" : ""),
    markupPercent: value(names.markupPercent) || "0",
  };
  return readCreditSettings(texts, (name, text) => problem(names[name], text));
}

function parseDatabase(url: string, dataDir: string): string | undefined {
  if (url === "") return join(dataDir, "plori.db");
  const path = url.startsWith("sqlite:") ? url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "") : "";
  return path === "" ? undefined : path;
}
