import { placementStoreContract } from "../contract/placement-store.ts";
import { createMemoryPlacementStore } from "../support/memory-placement-store.ts";

placementStoreContract("memory", async () => ({ ...createMemoryPlacementStore(), close() {} }));
