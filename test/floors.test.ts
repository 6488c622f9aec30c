import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "./support/temporary-directory.ts";
import { findBreaches } from "./tools/floors.ts";

test("a floor imports only lower floors, and only the right ones touch the world", () => {
  expect(findBreaches(join(import.meta.dirname, "../src"))).toEqual([]);
});

test("the floors test sees planted breaches of every kind", () => {
  const house = temporaryDirectory();
  const planted: Record<string, string> = {
    "base/up.ts": `import { x } from "../store/sqlite/y.ts";`,
    "router/gen.ts": `import type { A } from "../gen/plori/type/v1/type_pb.ts";`,
    "ledger/inside.ts": `import {\n  decide,\n} from "../router/decide.ts";`,
    "doors/sql.ts": `export * from "../store/sqlite/writer.ts";`,
    "keyvault/lazy.ts": `const x = await import("../doors/grpc.ts");`,
    "keyvault/side.ts": `import '../app.ts';`,
    "seal/sdk.ts": `import { KMSClient } from "@aws-sdk/client-kms";`,
    "router/time.ts": "export const now = Date.now();",
    "app.ts": "export const env = process.env;",
    "client/deep.ts": `import { x } from "../router/decide.ts";`,
    "ledger/ok.ts": `import type { Release } from "../router/ports.ts";\nimport { LIMITS } from "../base/limits.ts";`,
  };
  for (const [file, text] of Object.entries(planted)) {
    mkdirSync(dirname(join(house.path, file)), { recursive: true });
    writeFileSync(join(house.path, file), text);
  }
  const breached = new Set(findBreaches(house.path).map((breach) => breach.split(" ")[0]));
  house.remove();
  expect([...breached].sort()).toEqual(
    Object.keys(planted)
      .filter((file) => file !== "ledger/ok.ts")
      .sort(),
  );
});
