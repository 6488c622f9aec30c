import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { invariant } from "../base/errors.ts";
import { DevelopmentKmsError } from "./development-error.ts";
import { answerBadly, type DevelopmentKmsFault } from "./development-faults.ts";
import { loadOrMakeKeys, saveKeys } from "./development-file.ts";
import { createDevelopmentKeyring, type DevelopmentKeyState, newDevelopmentKey } from "./development-keyring.ts";
import {
  DEVELOPMENT_KMS_OPERATIONS,
  type DevelopmentKmsOperation,
  performOperation,
} from "./development-operations.ts";

/** Where the development KMS listens and keeps its keys. */
export interface DevelopmentKmsOptions {
  /** The key file, made on first use and readable by its owner only. Without it the keys live in memory. */
  readonly file?: string;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** How many keys a new KMS starts with; one if absent. The first has the alias "alias/plori-dev". */
  readonly keys?: number;
}

/** What an operator, or misfortune, does to a KMS: for tests. */
export interface DevelopmentKmsControl {
  /** The ARNs of its keys. */
  keyArns(): readonly string[];
  addKey(alias?: string): string;
  setState(keyArn: string, state: DevelopmentKeyState): void;
  /** New material for what is wrapped from now on; older material still opens. */
  rotate(keyArn: string): void;
  /** Lets an alias name another key. */
  pointAlias(alias: string, keyArn: string): void;
  /** How many requests arrived, for one operation or all. */
  calls(operation?: DevelopmentKmsOperation): number;
  /** How many requests named this account in their encryption context, among the accounts of the last 10,000 requests. */
  callsFor(account: string): number;
  /** Answers the next `times` requests (all, if absent) badly, until `heal`. */
  inject(fault: DevelopmentKmsFault, times?: number): void;
  heal(): void;
}

/** A running development KMS. */
export interface DevelopmentKms {
  readonly endpoint: string;
  /** Its first key. */
  readonly keyArn: string;
  readonly region: string;
  readonly control: DevelopmentKmsControl;
  close(): Promise<void>;
}

const BODY_MAX_BYTES = 64 * 1024;
const CONNECTIONS_MAX = 256;
const ACCOUNTS_KEPT_MAX = 10_000;
const CONTENT_TYPE = "application/x-amz-json-1.1";

/**
 * Starts the development KMS: a server on loopback that speaks the part of AWS KMS's JSON 1.1 protocol that this project uses, with real
 * encryption. It is a tool for development and tests, not a vault: its keys lie in a file, it checks no signature, and whoever can reach its
 * port on this machine can use them. Throws when the port is taken or the key file is damaged.
 */
export async function startDevelopmentKms(options: DevelopmentKmsOptions = {}): Promise<DevelopmentKms> {
  const { file } = options;
  const fresh = () =>
    Array.from({ length: Math.max(1, options.keys ?? 1) }, (_none, index) =>
      newDevelopmentKey(index === 0 ? ["alias/plori-dev"] : []),
    );
  const keys = file === undefined ? fresh() : loadOrMakeKeys(file, fresh);
  const save = () => file !== undefined && saveKeys(file, keys);
  const keyring = createDevelopmentKeyring(keys);
  const calls = new Map<DevelopmentKmsOperation, number>();
  const accounts: string[] = [];
  let fault: DevelopmentKmsFault | undefined;
  let faultsLeft = 0;

  function takeFault(): DevelopmentKmsFault | undefined {
    if (faultsLeft <= 0) return undefined;
    faultsLeft -= 1;
    return fault;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: string) => {
      response.writeHead(status, { "content-type": CONTENT_TYPE });
      response.end(body);
    };
    try {
      const operation = operationOf(request);
      calls.set(operation, (calls.get(operation) ?? 0) + 1);
      const body = await readBody(request);
      accounts.push(accountOf(body));
      if (accounts.length > ACCOUNTS_KEPT_MAX) accounts.shift();
      const perform = () => performOperation(keyring, operation, body);
      const planned = takeFault();
      if (planned !== undefined) await answerBadly(planned, perform, response, send);
      else send(200, JSON.stringify(perform()));
    } catch (error) {
      const known = error instanceof DevelopmentKmsError ? error : new DevelopmentKmsError("KMSInternalException");
      send(known.httpStatus, JSON.stringify({ __type: known.name, message: known.message }));
    }
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  // Longer than clients keep idle connections, so that none is cut under a request that is just being sent.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  invariant(typeof address === "object" && address !== null, "a listening server has an address");
  const first = keys[0];
  invariant(first !== undefined, "a development KMS has a key");

  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    keyArn: first.keyArn,
    region: first.keyArn.split(":")[3] ?? "",
    control: {
      keyArns: () => keys.map((key) => key.keyArn),
      addKey(alias) {
        const key = newDevelopmentKey(alias === undefined ? [] : [alias]);
        keys.push(key);
        save();
        return key.keyArn;
      },
      setState(keyArn, state) {
        keyring.find(keyArn).state = state;
        save();
      },
      rotate(keyArn) {
        keyring.find(keyArn).materials.push(...newDevelopmentKey().materials);
        save();
      },
      pointAlias(alias, keyArn) {
        const target = keyring.find(keyArn);
        for (const key of keys) if (key.aliases.includes(alias)) key.aliases.splice(key.aliases.indexOf(alias), 1);
        target.aliases.push(alias);
        save();
      },
      calls: (operation) =>
        operation === undefined
          ? [...calls.values()].reduce((sum, count) => sum + count, 0)
          : (calls.get(operation) ?? 0),
      callsFor: (account) => accounts.filter((named) => named === account).length,
      inject(planned, times = Number.POSITIVE_INFINITY) {
        fault = planned;
        faultsLeft = times;
      },
      heal() {
        faultsLeft = 0;
      },
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function operationOf(request: IncomingMessage): DevelopmentKmsOperation {
  // A page in a browser can reach loopback: it may not send this content type unasked, and a rebound name shows in the Host header.
  const host = request.headers.host ?? "";
  const isLoopback = /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host);
  const isAwsJson = request.headers["content-type"]?.startsWith(CONTENT_TYPE) === true;
  if (request.method !== "POST" || request.url !== "/" || !isLoopback || !isAwsJson) {
    throw new DevelopmentKmsError("UnknownOperationException");
  }
  const target = request.headers["x-amz-target"];
  const operation = DEVELOPMENT_KMS_OPERATIONS.find((known) => target === `TrentService.${known}`);
  if (operation === undefined) throw new DevelopmentKmsError("UnknownOperationException");
  return operation;
}

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > BODY_MAX_BYTES) throw new DevelopmentKmsError("ValidationException", "the request is too large");
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Falls through to the refusal that every other wrong body gets.
  }
  throw new DevelopmentKmsError("SerializationException");
}

/** The account that a request names in its encryption context; empty when it names none. */
function accountOf(body: Readonly<Record<string, unknown>>): string {
  const context = body["EncryptionContext"];
  if (typeof context !== "object" || context === null || !("account" in context)) return "";
  return String(context.account);
}
