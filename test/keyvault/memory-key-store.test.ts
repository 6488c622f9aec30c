import { keyStoreContract } from "../contract/key-store.ts";
import { createMemoryKeyStore } from "../support/memory-key-store.ts";

keyStoreContract("memory", async () => ({ ...createMemoryKeyStore(), close() {} }));
