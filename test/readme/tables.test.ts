import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RPC_TABLE } from "../../src/identity/rpc-table.ts";
import { README, ROOT } from "./recipes.ts";

/** The cells of every row of a table that has `heading` as its section. */
function rowsUnder(heading: string): readonly (readonly string[])[] {
  const section = README.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| ") && !line.startsWith("|---"));
  return rows.slice(1).map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));
}

test("the README's table of RPCs is the one that the doors enforce", () => {
  const enforced = [...RPC_TABLE].flatMap(([rpc, allowed]) =>
    allowed === "any valid identity" ? [] : [`${rpc.replace(/^plori\.\w+\.v1\./, "")}: ${allowed.join(", ")}`],
  );
  const documented = rowsUnder("The API").flatMap(([service, rpcs, roles]) =>
    (rpcs ?? "").split(", ").map((rpc) => `${service}/${rpc}: ${roles}`),
  );
  expect(documented.toSorted()).toEqual(enforced.toSorted());
});

test("the README's table of settings holds every setting that is read, and no other", () => {
  const source = readFileSync(join(ROOT, "src/config.ts"), "utf8");
  const names = /const NAMES = \[([^\]]+)\]/.exec(source)?.[1]?.match(/PLORI_[A-Z_]+/g) ?? [];
  expect(names.length).toBeGreaterThan(10);
  const documented = rowsUnder("Configuration").map(([name]) => name?.replaceAll("`", ""));
  expect(documented.filter((name) => name?.startsWith("PLORI_")).toSorted()).toEqual(names.toSorted());
});

test("the README's map names every folder of the house", () => {
  const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of folders) expect(README).toContain(`\nsrc/${name}/ `);
});

test("every npm script that the README names exists", () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const named = [...README.matchAll(/npm run (?:--silent )?([a-z:]+)/g)].map((match) => match[1] ?? "");
  expect(named).toEqual(expect.arrayContaining(["demo", "simulators", "bench"]));
  for (const name of named) expect(Object.keys(scripts)).toContain(name);
});
