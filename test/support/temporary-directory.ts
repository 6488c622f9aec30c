import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A fresh directory that goes away with `remove()`. */
export function temporaryDirectory(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "plori-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
