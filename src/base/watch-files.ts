import { stat } from "node:fs/promises";

/**
 * Calls `changed` at once, then whenever one of the files is another than at the last look, and again at every look for as long as it answers false, since
 * what was caught half-written may be finished without a further visible change. Polling also sees mounted secrets that are swapped by a symbolic link.
 * Does not keep the process alive.
 */
export function watchFiles(
  files: readonly string[],
  everyMs: number,
  changed: () => Promise<boolean>,
): { stop(): void } {
  let last: string | undefined;
  let isBusy = false;
  async function look(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    try {
      const now = (await Promise.all(files.map(fingerprint))).join(" ");
      if (now !== last && (await changed())) last = now;
    } finally {
      isBusy = false;
    }
  }
  const timer = setInterval(() => void look(), everyMs).unref();
  void look();
  return { stop: () => clearInterval(timer) };
}

async function fingerprint(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file);
    return `${mtimeMs}/${size}/${ino}`;
  } catch {
    return "absent";
  }
}
