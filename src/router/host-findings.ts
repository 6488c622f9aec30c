import { LRUCache } from "lru-cache";
import type { Held, KeyTrouble } from "./decision.ts";
import type { RoutableKey } from "./ports.ts";

const FINDINGS_MAX = 10_000;

type KeyVersion = Pick<RoutableKey, "keyId" | "version">;

/**
 * What single hosts met with plori's own keys. A platform key serves every account, so what one host says about it holds for that host alone until we have
 * probed the key; a lie hurts the liar.
 */
export interface HostFindings {
  /** Whether anything is noted at all. */
  readonly isEmpty: boolean;
  /** What holds the key back for this host and model now. */
  find(host: string, key: KeyVersion, upstreamModel: string, nowMs: number): Held | undefined;
  /** Holds the key back for the host until then; for one model of the provider, or for all when `upstreamModel` is empty. */
  note(host: string, key: KeyVersion, upstreamModel: string, trouble: KeyTrouble, untilMs: number): void;
  /** Forgets what the host met with the key as a whole. */
  clear(host: string, key: KeyVersion): void;
}

/** Findings in this process's memory, the 10,000 newest. */
export function createHostFindings(): HostFindings {
  const findings = new LRUCache<string, Required<Held>>({ max: FINDINGS_MAX });
  // Ids hold no slash, and the model comes last.
  const nameOf = (host: string, key: KeyVersion, model: string): string =>
    `${host}/${key.keyId}/${key.version}/${model}`;
  return {
    get isEmpty() {
      return findings.size === 0;
    },
    find(host, key, upstreamModel, nowMs) {
      for (const model of ["", upstreamModel]) {
        const found = findings.get(nameOf(host, key, model));
        if (found !== undefined && found.untilMs > nowMs) return found;
      }
      return undefined;
    },
    note(host, key, upstreamModel, trouble, untilMs) {
      findings.set(nameOf(host, key, upstreamModel), { trouble, untilMs });
    },
    clear(host, key) {
      findings.delete(nameOf(host, key, ""));
    },
  };
}
