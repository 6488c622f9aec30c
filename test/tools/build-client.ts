import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
/** Where `npm run build:client` puts the package. */
export const CLIENT_PACKAGE = join(ROOT, "dist/client");
const DEPENDENCIES = ["@bufbuild/protobuf", "@grpc/grpc-js"] as const;

/** Builds src/client and what it needs of base and gen to JavaScript and type declarations, as an npm package in `outDirectory`. */
export function buildClient(outDirectory = CLIENT_PACKAGE): void {
  rmSync(outDirectory, { recursive: true, force: true });
  mkdirSync(outDirectory, { recursive: true });
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(ROOT, "src/client"), "--outDir", outDirectory], { stdio: "inherit" });
  for (const file of readdirSync(outDirectory, { recursive: true, encoding: "utf8" }))
    if (file.endsWith(".d.ts")) nameWhatIsThere(join(outDirectory, file));
  copyFileSync(join(ROOT, "LICENSE"), join(outDirectory, "LICENSE"));
  writeFileSync(join(outDirectory, "package.json"), `${JSON.stringify(packageJson(), null, 2)}\n`);
}

/** tsc rewrites the imports in what it emits as JavaScript, but not in the declarations. */
function nameWhatIsThere(file: string): void {
  writeFileSync(file, readFileSync(file, "utf8").replace(/((?:from|import)\s*\(?\s*"\.[^"]*)\.ts"/g, '$1.js"'));
}

/** The package's own description; its two dependencies are the very versions that this repository is tested with. */
function packageJson() {
  const { version, license, dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly version: string;
    readonly license: string;
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return {
    name: "@plori/byok-client",
    version,
    description:
      "What an agent host imports: routes with their credentials, leases, outcomes, and usage that is never lost",
    license,
    type: "module",
    // zlib.crc32 came with 20.15 and 22.2.
    engines: { node: "^20.15 || >=22.2" },
    exports: { ".": { types: "./client/index.d.ts", default: "./client/index.js" } },
    files: ["base", "client", "gen", "LICENSE"],
    sideEffects: false,
    dependencies: Object.fromEntries(DEPENDENCIES.map((name) => [name, dependencies[name]])),
  };
}

if (import.meta.main) buildClient();
