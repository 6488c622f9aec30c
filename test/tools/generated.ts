import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Generates the code anew beside the checked-in one and fails when they differ.

const CHECKED_IN = "src/gen";
const fresh = mkdtempSync(join(tmpdir(), "plori-gen-"));
try {
  execFileSync("buf", ["generate", "--output", fresh], { stdio: "inherit" });
  const differing = [...new Set([...filesBelow(CHECKED_IN), ...filesBelow(join(fresh, CHECKED_IN))])].filter(
    (file) => read(join(CHECKED_IN, file)) !== read(join(fresh, CHECKED_IN, file)),
  );
  if (differing.length > 0) {
    console.error(
      `Generated code is out of date: ${differing.join(", ")}. Run \`npm run generate\` and commit what it wrote.`,
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
