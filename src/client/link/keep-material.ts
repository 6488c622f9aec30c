import type { Clock } from "../../base/clock.ts";
import { watchFiles } from "../../base/watch-files.ts";
import type { HostLog } from "../log.ts";
import type { Link } from "./link.ts";
import { loadMaterial, type Material, type MaterialFiles } from "./material.ts";

/** What keeping the connection's material up to date needs. */
export interface KeepMaterialOptions {
  readonly files: MaterialFiles;
  /** What the link was opened with. */
  readonly first: Material;
  readonly clock: Pick<Clock, "nowMs">;
  readonly log: HostLog;
  /** How often the files are looked at, in milliseconds. */
  readonly everyMs: number;
  readonly link: Pick<Link, "renew">;
}

/** Keeps it up to date. */
export interface MaterialKeeper {
  /** When the certificate in use ends, in milliseconds since the Unix epoch. */
  readonly notAfterMs: number;
  /** Reads the files now; false when they do not check and the last good ones serve on. */
  reload(): Promise<boolean>;
  stop(): void;
}

/** Renews the link whenever the files hold something new that checks. What does not check is logged, and the last good material serves on. */
export function keepMaterial({ files, first, clock, log, everyMs, link }: KeepMaterialOptions): MaterialKeeper {
  let inUse = first;
  async function reload(): Promise<boolean> {
    try {
      const next = await loadMaterial(files);
      if (next.digest === inUse.digest) return true;
      inUse = next;
      link.renew(next);
      const notAfter = new Date(next.notAfterMs).toISOString();
      if (next.notAfterMs <= clock.nowMs())
        log.warn("the new certificate has ended, by this host's clock", { notAfter });
      log.info("certificates loaded", { notAfter });
      return true;
    } catch (error) {
      const why = error instanceof Error && !("code" in error) ? error.message : "OpenSSL does not load it";
      log.error("certificates not loaded; the last good ones serve on", { why });
      return false;
    }
  }
  const watcher = watchFiles([files.certFile, files.keyFile, files.caFile], everyMs, reload);
  return {
    get notAfterMs() {
      return inUse.notAfterMs;
    },
    reload,
    stop: () => watcher.stop(),
  };
}
