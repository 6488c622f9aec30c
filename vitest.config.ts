import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Native addons, worker threads and real servers live in processes of their own.
    pool: "forks",
    // As src/store/sqlite/writer.ts sets it, from the start: tests start and end many threads.
    execArgv: ["--wasm-wrapper-tiering-budget=1000000000"],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
