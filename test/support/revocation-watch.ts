import type { Revocation } from "../../src/gen/plori/router/v1/router_pb.ts";
import { RevocationCause } from "../../src/gen/plori/router/v1/router_pb.ts";
import type { WatchRevocationsResponse } from "../../src/gen/plori/router/v1/router_service_pb.ts";
import type { Clients } from "./service-process.ts";

/** A host's stream of revocations, read one message at a time. */
export interface RevocationWatch {
  /** Every message so far, in order. */
  readonly messages: readonly WatchRevocationsResponse[];
  /** Every revocation so far, as one line: "KEY_DELETED maya * accounts/maya/keys/openai v1". */
  readonly told: readonly string[];
  /** The token of the newest message. */
  readonly token: string;
  /** Resolves with the first message that matches, among those that came already and those to come. Rejects when the stream ends before. */
  until(matches: (message: WatchRevocationsResponse) => boolean): Promise<WatchRevocationsResponse>;
  /** Resolves when a revocation was told with this line. */
  untilTold(line: string): Promise<void>;
  /** Resolves with what ended the stream; undefined when nothing was wrong. */
  readonly ended: Promise<unknown>;
  /** Leaves. */
  stop(): Promise<void>;
}

/** Opens a stream and resolves when it has said where it stands. */
export async function watchRevocations(
  router: Clients["router"],
  request: { readonly resumeToken?: string } = {},
): Promise<RevocationWatch> {
  const leaving = new AbortController();
  const messages: WatchRevocationsResponse[] = [];
  const told: string[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  async function read(): Promise<unknown> {
    try {
      for await (const message of router.watchRevocations(request, { signal: leaving.signal })) {
        messages.push(message);
        told.push(...message.revocations.map(revocationLine));
        for (const look of [...waiting]) look();
      }
      return undefined;
    } catch (error) {
      return error;
    } finally {
      isOver = true;
      for (const look of [...waiting]) look();
    }
  }
  const ended = read();
  const watch: RevocationWatch = {
    messages,
    told,
    get token() {
      return messages.at(-1)?.resumeToken ?? "";
    },
    until: (matches) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = messages.find(matches);
          if (found === undefined && !isOver) return;
          waiting.delete(look);
          if (found === undefined) void ended.then((error) => reject(error ?? new Error("the stream ended")));
          else resolve(found);
        };
        waiting.add(look);
        look();
      }),
    async untilTold(line) {
      await watch.until(({ revocations }) => revocations.some((revocation) => revocationLine(revocation) === line));
    },
    ended,
    async stop() {
      leaving.abort();
      await ended;
    },
  };
  await watch.until(() => true);
  return watch;
}

const CAUSE_NAMES = new Map<number, string>(Object.entries(RevocationCause).map(([name, number]) => [number, name]));

/** A revocation as one line. */
export function revocationLine({ account, agent, key, keyVersion, cause }: Revocation): string {
  const version = keyVersion === 0n ? "" : ` v${keyVersion}`;
  return `${CAUSE_NAMES.get(cause)} ${account || "*"} ${agent || "*"} ${key || "*"}${version}`;
}
