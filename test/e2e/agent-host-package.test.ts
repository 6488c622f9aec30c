import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { README, ROOT, theBlock } from "../readme/recipes.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { buildClient } from "../tools/build-client.ts";
import { type House, openHouse } from "./house.ts";

const PACKAGE = "@plori/byok-client";
/** What the package needs, and what that needs: linked from here, since tests reach no registry. */
const LINKED = ["@bufbuild/protobuf", "@grpc/grpc-js"];
const RUN_MAX_MS = 30_000;

const directory = temporaryDirectory();
const consumer = join(directory.path, "consumer");
let house: House;

beforeAll(async () => {
  house = await openHouse();
  const built = join(directory.path, "built");
  buildClient(built);
  execFileSync("npm", ["pack", "--silent", "--pack-destination", directory.path], { cwd: built });
  const installed = join(consumer, "node_modules", PACKAGE);
  mkdirSync(installed, { recursive: true });
  // What npm does with a tarball: everything below its `package/` goes into the package's folder.
  execFileSync("tar", ["-xzf", join(directory.path, tarballName(built)), "-C", installed, "--strip-components=1"]);
  for (const name of LINKED) {
    mkdirSync(join(consumer, "node_modules", name, ".."), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), join(consumer, "node_modules", name));
  }
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
}, 120_000);
afterAll(async () => {
  await house?.close();
  directory.remove();
});

function tarballName(built: string): string {
  const { name, version } = JSON.parse(readFileSync(join(built, "package.json"), "utf8"));
  return `${String(name).replace("@", "").replace("/", "-")}-${version}.tgz`;
}

/** This run's Node, and every other one on the PATH that the package is for. */
function nodes(): readonly (readonly [string, string])[] {
  const found = new Map<string, string>([[process.version, process.execPath]]);
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const file = join(folder, "node");
    if (!existsSync(file)) continue;
    const version = spawnSync(realpathSync(file), ["--version"], { encoding: "utf8" }).stdout.trim();
    const [, major = "0", minor = "0"] = /^v(\d+)\.(\d+)\./.exec(version) ?? [];
    const isMeant =
      (major === "20" && Number(minor) >= 15) || (major === "22" && Number(minor) >= 2) || Number(major) > 22;
    if (isMeant && !found.has(version)) found.set(version, realpathSync(file));
  }
  return [...found];
}

describe("the packed client, installed elsewhere", () => {
  test("holds JavaScript and declarations only, and pins the two dependencies that it is tested with", () => {
    const installed = join(consumer, "node_modules", PACKAGE);
    const { dependencies, engines, exports } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    const own = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    expect(dependencies).toEqual({
      "@bufbuild/protobuf": own.dependencies["@bufbuild/protobuf"],
      "@grpc/grpc-js": own.dependencies["@grpc/grpc-js"],
    });
    expect(engines).toEqual({ node: "^20.15 || >=22.2" });
    const imports = execFileSync("grep", ["-rhoE", `(from|import) "[^."][^"]*"`, installed], { encoding: "utf8" });
    const packages = new Set([...imports.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name));
    for (const name of packages) expect(name).toMatch(/^(node:|@bufbuild\/protobuf|@grpc\/grpc-js$)/);
    expect(Object.keys(exports)).toEqual(["."]);
    expect(existsSync(join(installed, "base", "log.js"))).toBe(false);
  });

  test.each(nodes())(
    "runs the README's program on Node %s: route, streamed call, usage in the ledger",
    async (version, node) => {
      const account = `readme-${version}`;
      await house.connectOwn(account, "openai");
      await house.place(account, "agent-1");
      const program = theBlock(README, "js agent-host")
        .replaceAll('"a1"', `"${account}"`)
        .replaceAll(":7443", `:${house.service.grpcPort}`)
        .replaceAll(".plori/", `${house.service.dataDir}/`)
        .replaceAll("/tmp/plori-spool", join(directory.path, `spool-${version}`));
      const file = join(consumer, `program-${version}.mjs`);
      writeFileSync(file, program);
      const ran = await promisify(execFile)(node, [file], { cwd: consumer, timeout: RUN_MAX_MS });
      expect(ran).toEqual({ stderr: "", stdout: "You said: Plan the next step." });
      const { charges } = await house.as("settings").ledger.listCharges({ account });
      expect(charges).toHaveLength(1);
      expect(charges[0]).toMatchObject({ usageId: "call-3", callId: "call-3", model: "openai/gpt-5.5" });
      expect(charges[0]?.lines.length).toBeGreaterThan(0);
    },
  );

  test("its declarations compile in a strict consumer, and refuse what is wrong", () => {
    writeFileSync(
      join(consumer, "right.ts"),
      `import { type AgentHost, connectHost, HostError, readEvents, type Route } from "${PACKAGE}";
export async function call(host: AgentHost, body: AsyncIterable<Uint8Array>): Promise<string> {
  const route: Route = await host.resolve({ account: "a", agent: "b", model: "c", provider: "openai", callId: "d" });
  const headers: Record<string, string> = route.headers();
  for await (const event of host.trackCall(route).follow(readEvents(body))) void event;
  const { advice } = await host.report({ route, httpStatus: 500, retryAfterMs: 10 });
  return advice === "STOP" ? (headers["authorization"] ?? "") : route.upstreamModel;
}
export const open = () =>
  connectHost({ address: "x:1", certFile: "a", keyFile: "b", caFile: "c", spoolDirectory: "d" }).catch((error: unknown) => {
    throw error instanceof HostError ? error.retryAfterMs : error;
  });
`,
    );
    writeFileSync(
      join(consumer, "wrong.ts"),
      `import { connectHost } from "${PACKAGE}";\nvoid connectHost({ address: 1 });\n`,
    );
    const compile = (file: string) => {
      const flags = [
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--target",
        "es2022",
        "--types",
        "node",
        "--skipLibCheck",
        "false",
      ];
      const roots = ["--typeRoots", join(ROOT, "node_modules/@types")];
      return spawnSync(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), ...flags, ...roots, file], {
        cwd: consumer,
        encoding: "utf8",
      });
    };
    expect(compile("right.ts")).toMatchObject({ stdout: "", status: 0 });
    expect(compile("wrong.ts").stdout).toContain("error TS");
  });
});
