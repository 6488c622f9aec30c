import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HEADER } from "../../src/export/charge-columns.ts";
import { csvLine, textCell } from "../../src/export/csv.ts";
import { openCsvFile } from "../../src/export/csv-file.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let path: string;
const head = csvLine(HEADER);
const row = (sequence: number, account = "-a1", label = "") =>
  csvLine([textCell(account), String(sequence), "2026-11-24T10:00:00.000Z", ...HEADER.slice(4).map(() => ""), label]);
const RECORD_MS = Date.UTC(2026, 10, 24, 10);

beforeEach(() => {
  directory = temporaryDirectory();
  path = join(directory.path, "out.csv");
});
afterEach(() => directory.remove());

/** Opens the file, appends lines, and closes it. Returns what stood last in it. */
async function append(...lines: string[]) {
  const file = await openCsvFile(path);
  for (const line of lines) await file.append(line);
  await file.close();
  return file.last;
}

test("a new file gets a header, is its owner's alone, and is continued behind its last charge", async () => {
  expect(await append(row(1), row(2))).toBeUndefined();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await append(row(3))).toEqual({ account: "-a1", sequence: 2n, recordMs: RECORD_MS });
  expect(readFileSync(path, "utf8")).toBe(head + row(1) + row(2) + row(3));
});

test("wherever a file was cut off, what is left is its whole lines, and it goes on from there", async () => {
  const whole = head + row(1) + row(2, "a2", '{"team":"a, ""b"""}') + row(3, "a3");
  const ends = [head.length, (head + row(1)).length, (head + row(1) + row(2, "a2", '{"team":"a, ""b"""}')).length];
  for (let cut = 0; cut < whole.length; cut += 1) {
    writeFileSync(path, whole.slice(0, cut));
    const last = await append();
    const kept = ends.findLast((end) => end <= cut) ?? 0;
    expect(readFileSync(path, "utf8")).toBe(whole.slice(0, Math.max(kept, head.length)));
    expect(last?.sequence).toBe([undefined, 1n, 2n][ends.indexOf(kept)]);
  }
});

test("what was appended can be taken back, and nothing else", async () => {
  await append(row(1));
  const file = await openCsvFile(path);
  await file.append(row(2));
  await file.undo();
  await file.close();
  expect(readFileSync(path, "utf8")).toBe(head + row(1));
});

test.each([
  ["another file", "hello, world\n"],
  ["an export of other columns", "account,sequence,kind\r\na1,1,DISK\r\n"],
  ["a last line that is no charge", `${head}a1,x,2026\r\n`],
  ["a line without an end in sight", `${head}${"x".repeat(200_000)}`],
])("%s is left as it is", async (_what, text) => {
  writeFileSync(path, text);
  await expect(openCsvFile(path)).rejects.toThrow();
  expect(readFileSync(path, "utf8")).toBe(text);
});
