/** What an operator asks for. */
export interface ExportOrder {
  readonly out: string;
  /** Undefined: every account. */
  readonly account: string | undefined;
  /** Recorded at this time or later, in milliseconds since the Unix epoch; undefined: from the first charge. */
  readonly fromMs: number | undefined;
  /** Recorded before this time; undefined: to the newest charge. */
  readonly toMs: number | undefined;
  /** host:port of the gRPC door. */
  readonly address: string;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** An order, or everything that is wrong with it. */
export type ArgumentsReading =
  | { readonly kind: "ok"; readonly order: ExportOrder }
  | { readonly kind: "wrong"; readonly problems: readonly string[] };

export const USAGE = `usage: npm run export -- --out FILE [--account ACCOUNT] [--from TIME] [--to TIME]
                        [--address HOST:PORT] [--ca FILE] [--cert FILE] [--key FILE]

Writes the charges that were recorded from --from on and before --to as CSV, one account's or, without --account, those of every account (then --to is
required). Times are like 2026-11-01 or 2026-11-01T09:00:00Z, UTC. A file that is there already is continued: run the same command again after a failure.
Without --address and files it calls localhost:7443 with the billing certificate of the development profile in .plori/pki/.
`;

const DEFAULTS = {
  address: "localhost:7443",
  ca: ".plori/pki/ca.pem",
  cert: ".plori/pki/billing.pem",
  key: ".plori/pki/billing.key",
} as const;
const NAMES = ["out", "account", "from", "to", "address", "ca", "cert", "key"] as const;
const ID = /^[A-Za-z0-9._-]{1,128}$/;
const ADDRESS = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;
const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d))?$/;

/** Reads a command line, `--name value` or `--name=value`, each name at most once. */
export function readArguments(args: readonly string[]): ArgumentsReading {
  const problems: string[] = [];
  const given = new Map<string, string>();
  for (let at = 0; at < args.length; at += 1) {
    const [, name = "", inline] = /^--([a-z]+)(?:=(.*))?$/s.exec(args[at] ?? "") ?? [];
    if (!(NAMES as readonly string[]).includes(name)) {
      problems.push(`${args[at]} is not understood`);
      continue;
    }
    if (given.has(name)) problems.push(`--${name} is given twice`);
    if (inline === undefined) at += 1;
    given.set(name, inline ?? args[at] ?? "");
  }
  const value = (name: (typeof NAMES)[number]): string | undefined => {
    const text = given.get(name);
    if (text === "") problems.push(`--${name} needs a value`);
    return text === "" ? undefined : text;
  };
  const time = (name: "from" | "to"): number | undefined => {
    const text = value(name);
    const ms = text !== undefined && TIME.test(text) ? Date.parse(text) : Number.NaN;
    if (text !== undefined && Number.isNaN(ms)) problems.push(`--${name} must be a time like 2026-11-01T09:00:00Z`);
    return Number.isNaN(ms) ? undefined : ms;
  };
  const out = value("out");
  if (!given.has("out")) problems.push("--out is missing: the file to write");
  const account = value("account");
  if (account !== undefined && !ID.test(account)) problems.push("--account must be 1-128 of A-Z a-z 0-9 . _ -");
  const fromMs = time("from");
  const toMs = time("to");
  if (!given.has("account") && !given.has("to")) problems.push("--to is required without --account");
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) problems.push("--from must be before --to");
  const address = value("address") ?? DEFAULTS.address;
  if (!ADDRESS.test(address)) problems.push("--address must be host:port");
  const caFile = value("ca") ?? DEFAULTS.ca;
  const certFile = value("cert") ?? DEFAULTS.cert;
  const keyFile = value("key") ?? DEFAULTS.key;
  if (problems.length > 0 || out === undefined) return { kind: "wrong", problems };
  return { kind: "ok", order: { out, account, fromMs, toMs, address, caFile, certFile, keyFile } };
}
