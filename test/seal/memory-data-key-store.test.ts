import { dataKeyStoreContract } from "../contract/data-key-store.ts";
import { createMemoryDataKeyStore } from "./memory-data-key-store.ts";

dataKeyStoreContract("in memory", async () => ({ store: createMemoryDataKeyStore(), close: () => {} }));
