import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEVELOPMENT_CALLBACKS, parseCallbackOrigins } from "../../src/keyvault/callback-origins.ts";
import { checkCallbackUrl, withConnectId } from "../../src/keyvault/callback-url.ts";

function originsOf(text: string): readonly string[] {
  const reading = parseCallbackOrigins(text);
  if (reading.kind === "problems") throw new Error(reading.problems.join("; "));
  return reading.origins;
}

const ORIGINS = originsOf("https://app.example, https://eu.app.example:8443/, http://localhost:3000");

describe("the allow list", () => {
  test("is https anywhere and http on loopback, compared as whole origins", () => {
    expect(ORIGINS).toEqual(["https://app.example", "https://eu.app.example:8443", "http://localhost:3000"]);
    expect(originsOf("")).toEqual([]);
  });

  test.each([
    "http://app.example",
    "app.example",
    "https://user:pw@app.example",
    "https://app.example/back",
    "https://app.example?x",
    "https://app.example#x",
    "https://*.app.example",
    "https://app.example:*",
    "http://localhost:3000:*",
    "javascript:alert(1)",
    "*",
  ])("refuses the entry %s, without quoting it", (entry) => {
    const reading = parseCallbackOrigins(`https://fine.example,${entry}`);
    if (reading.kind !== "problems") throw new Error("accepted");
    expect(reading.problems).toHaveLength(1);
    expect(reading.problems[0]).toMatch(/^entry 2 must|^entry 2 may/);
    expect(reading.problems[0]).not.toContain("pw");
  });

  test("of the development profile is any port of this machine, and nothing else", () => {
    const origins = originsOf(DEVELOPMENT_CALLBACKS);
    for (const url of ["http://localhost/x", "http://localhost:5173/x", "http://127.0.0.1:3000/x?y=1"]) {
      expect(checkCallbackUrl(url, origins).kind).toBe("ok");
    }
    for (const url of [
      "https://app.example/x",
      "http://localhost.app.example:3000/",
      "http://127.0.0.2:3000/",
      "ftp://localhost/",
    ]) {
      expect(checkCallbackUrl(url, origins).kind).toBe("wrong");
    }
  });
});

test.each([
  ["", "must be an absolute URL"],
  ["/back", "must be an absolute URL"],
  ["https://app.example/a b", "must be an absolute URL"],
  ["https://app.example\n.evil.example/", "must be an absolute URL"],
  ["https://evil.example/", "PLORI_CONNECT_CALLBACKS"],
  ["https://app.example.evil.example/", "PLORI_CONNECT_CALLBACKS"],
  ["https://app.example:8443/", "PLORI_CONNECT_CALLBACKS"],
  ["http://app.example/", "PLORI_CONNECT_CALLBACKS"],
  ["https://app.example@evil.example/", "must not hold a user name"],
  ["https://user:pw@app.example/", "must not hold a user name"],
  ["https://evil.example\\@app.example/", "PLORI_CONNECT_CALLBACKS"],
  ["https://app.example/#x", "fragment"],
  ["https://app.example/?code=mine", "query parameter code"],
  ["https://app.example/?connect_id=mine", "query parameter connect_id"],
  ["https://app.example/?connect%5Fid=mine", "query parameter connect_id"],
  [`https://app.example/${"x".repeat(2_000)}`, "at most 1536"],
])("the callback %j is refused", (url, problem) => {
  const check = checkCallbackUrl(url, ORIGINS);
  expect(check.kind === "wrong" ? check.problem : "accepted").toContain(problem);
});

test("whatever passes keeps an allowed origin, and its own query stays as it was written", () => {
  fc.assert(
    fc.property(fc.webPath(), fc.webQueryParameters(), (path, query) => {
      const check = checkCallbackUrl(`https://app.example${path || "/"}${query === "" ? "" : `?${query}`}`, ORIGINS);
      if (check.kind === "wrong") return;
      const sent = new URL(withConnectId(check.url, "the-id"));
      expect(sent.origin).toBe("https://app.example");
      expect(sent.pathname).toBe(check.url.pathname);
      expect(sent.searchParams.getAll("connect_id")).toEqual(["the-id"]);
      expect(sent.search.startsWith(check.url.search === "" ? "?connect_id=" : `${check.url.search}&`)).toBe(true);
    }),
  );
});
