import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** The floors of the house from the ground up. A file imports only from its own floor and those below. */
export const FLOORS = [
  "base",
  "kms",
  "seal",
  "providers",
  "audit",
  "identity",
  "keyvault",
  "router",
  "ledger",
  "store",
  "doors",
  "config",
  "app",
  "main",
] as const;

/** Floors that may not see each other's insides although one stands above the other: what one needs of another is a port in its own words. */
const STRANGERS: readonly (readonly [string, string])[] = [
  ["ledger", "router"],
  ["ledger", "keyvault"],
  ["router", "keyvault"],
  ["store", "kms"],
  ["doors", "store"],
  ["doors", "kms"],
];
/** Only these floors read generated code. */
const GEN_READERS: readonly string[] = ["doors", "seal", "client", "export", "gen"];
/** Programs of their own, which know the service by its API alone. */
const APART: readonly string[] = ["client", "export"];
/** The files through which alone a floor is known to a stranger: its ports. */
const PORT_FILES = /\/(ports|sealer)\.ts$/;
/** Packages that only one place may import. */
const OWNED_PACKAGES: readonly (readonly [RegExp, RegExp])[] = [
  [/^@aws-sdk\//, /^kms\/aws\.ts$/],
  [/^better-sqlite3$/, /^store\/sqlite\//],
  [/^@grpc\/grpc-js$/, /^(doors|client|export)\//],
  [/^@connectrpc\//, /^doors\//],
  [/^@bufbuild\//, /^(doors|seal|client|export)\//],
  [/^@peculiar\//, /^(identity|doors)\//],
  [/^pino$/, /^base\/log\.ts$/],
];
/** Words that only some files may use, since they reach out of the code into the world. */
const OWNED_WORDS: readonly (readonly [RegExp, RegExp, string])[] = [
  [/\bprocess\.env\b/, /^main\.ts$/, "process.env"],
  [/\bprocess\.exit\b/, /^main\.ts$/, "process.exit"],
  [/\bDate\.now\(|\bnew Date\(\)/, /^base\/clock\.ts$/, "the wall clock"],
  [/\bMath\.random\(/, /^$/, "Math.random"],
  [/\bConnectError\.from\(/, /^$/, "ConnectError.from"],
  [/\bconsole\.(?:log|error|warn|info|debug|dir|trace)\(/, /^main\.ts$/, "console"],
];

const IMPORT =
  /(?:^|[\s;])(?:import|export)\s*(?:[\s\S]*?\sfrom\s*)?["']([^"']+)["']|\bimport\s*\(\s*["']([^"']+)["']/g;

/** Every breach of the floors below `root` (the `src` folder), as sentences. */
export function findBreaches(root: string): string[] {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
  return files.filter((file) => !file.startsWith("gen/")).flatMap((file) => breachesOf(root, file));
}

function breachesOf(root: string, file: string): string[] {
  const text = readFileSync(join(root, file), "utf8");
  const breaches: string[] = [];
  for (const match of text.matchAll(IMPORT)) {
    const target = match[1] ?? match[2] ?? "";
    const breach = target.startsWith(".")
      ? importBreach(file, relative(root, resolve(root, dirname(file), target)))
      : packageBreach(file, target);
    if (breach !== undefined) breaches.push(breach);
  }
  for (const [word, owner, name] of OWNED_WORDS) {
    if (word.test(text) && !owner.test(file)) breaches.push(`${file} uses ${name}`);
  }
  return breaches;
}

function importBreach(from: string, to: string): string | undefined {
  const fromFloor = floorOf(from);
  const toFloor = floorOf(to);
  if (toFloor === "gen") return GEN_READERS.includes(fromFloor) ? undefined : `${from} reads generated code (${to})`;
  if (fromFloor === toFloor) return undefined;
  if (APART.includes(fromFloor)) return toFloor === "base" ? undefined : `${from} stands apart but imports ${to}`;
  if (levelOf(toFloor) > levelOf(fromFloor)) return `${from} imports from a higher floor (${to})`;
  const strange = STRANGERS.some(([one, other]) => one === fromFloor && other === toFloor);
  return strange && !PORT_FILES.test(`/${to}`) ? `${from} imports the inside of ${toFloor} (${to})` : undefined;
}

function packageBreach(from: string, name: string): string | undefined {
  const owned = OWNED_PACKAGES.find(([pattern]) => pattern.test(name));
  return owned === undefined || owned[1].test(from) ? undefined : `${from} imports ${name}, which is not its to use`;
}

function floorOf(file: string): string {
  const [first = ""] = file.split("/");
  return first.replace(/\.ts$/, "");
}

function levelOf(floor: string): number {
  const level = (FLOORS as readonly string[]).indexOf(floor);
  if (level < 0) throw new Error(`${floor} is no floor of the house`);
  return level;
}
