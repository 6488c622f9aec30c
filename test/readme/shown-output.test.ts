import { expect, test } from "vitest";
import { readRecipes } from "./recipes.ts";
import { findDifference } from "./shown-output.ts";

test("an answer that differs in ids, times, hashes, ports and indentation only is what is shown", () => {
  const id = "01a20cfb-9665-70fe-aa41-249b60002af1";
  const shown = `{\n  "name": "grants/${id}",\n  "time": "2026-11-24T09:55:44.357Z",\n  "url": "http://127.0.0.1:1/v1"\n}`;
  const actual = `{\n "name":  "grants/${id.replaceAll("a", "b")}",\n "time": "2027-01-01T00:00:00Z",\n "url": "http://127.0.0.1:65535/v1"\n}\n`;
  expect(findDifference(shown, actual)).toBeUndefined();
});

test("another value, a missing line, a line too many and the wrong order are differences", () => {
  expect(findDifference("a\nb", "a\nc")).toBeDefined();
  expect(findDifference("a\nb", "a")).toBeDefined();
  expect(findDifference("a", "a\nb")).toBeDefined();
  expect(findDifference("a\n…\nb\n…\nc", "a\nc\nb")).toBeDefined();
  expect(findDifference("a\n…\na", "a")).toBeDefined();
});

test("lines that are left out may be any, also none", () => {
  expect(findDifference("a\n…\nb\n…", "a\nx\ny\nb\nz")).toBeUndefined();
  expect(findDifference("a\n…\nb\n…", "a\nb")).toBeUndefined();
  expect(findDifference("…\nb", "x\nb")).toBeUndefined();
});

test("a recipe's output is the block right below it, and a refusal is told by its fence", () => {
  const page =
    "```sh recipe\na\n```\n\n```json\n1\n```\n\n```sh recipe refused\nb\nc\n```\n\ntalk\n\n```text\n2\n```\n";
  expect(readRecipes(page)).toEqual([
    { command: "a", line: 1, isRefused: false, output: "1" },
    { command: "b\nc", line: 9, isRefused: true, output: undefined },
  ]);
});
