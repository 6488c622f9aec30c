import type { ModelLists } from "../../src/router/ports.ts";

/** No provider has told anything yet. */
export const NO_MODEL_LISTS: ModelLists = {
  warm: () => new Map(),
  of: async () => new Map(),
  describe: async () => [],
};
