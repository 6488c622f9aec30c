import type { InstallationStore } from "../../keyvault/installation.ts";
import type { Connection } from "./open-database.ts";
import type { Writer } from "./writer.ts";
import { SELECT_INSTALLATION, toCanary } from "./writes/installation.ts";

/** The installation's canary in SQLite. */
export function createInstallationStore(reader: Connection, writer: Writer): InstallationStore {
  const select = reader.prepare(SELECT_INSTALLATION);
  return {
    async canary() {
      return toCanary(select.get());
    },
    setCanary: (canary, audit) => writer.submit("setCanary", { canary, audit }),
  };
}
