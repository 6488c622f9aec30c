import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSpiffeId, parseSpiffeId } from "../../src/identity/spiffe-id.ts";

const segment = fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/).filter((text) => text !== "." && text !== "..");
const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,30}$/);

test("every well-formed id survives taking apart and putting together", () => {
  fc.assert(
    fc.property(trustDomain, fc.array(segment, { minLength: 1, maxLength: 5 }), (domain, segments) => {
      const text = `spiffe://${domain}/${segments.join("/")}`;
      const id = parseSpiffeId(text);
      expect(id && formatSpiffeId(id)).toBe(text);
    }),
  );
});

test("one foreign character anywhere refuses the id", () => {
  const foreign = fc.constantFrom(..."%?#@: ,\\\0\n;=&+*é/".split(""), "//", "/./", "/../");
  fc.assert(
    fc.property(trustDomain, segment, foreign, fc.boolean(), (domain, name, bad, isAtEnd) => {
      const path = isAtEnd ? `${name}${bad}` : `${bad}${name}`;
      expect(parseSpiffeId(`spiffe://${domain}/${path}`)).toBeUndefined();
    }),
  );
});

test("what is too long is refused", () => {
  const path = (length: number) => `/${"a".repeat(length - 1)}`;
  expect(parseSpiffeId(`spiffe://td${path(2048 - "spiffe://td".length)}`)).toBeDefined();
  expect(parseSpiffeId(`spiffe://td${path(2049 - "spiffe://td".length)}`)).toBeUndefined();
  expect(parseSpiffeId(`spiffe://${"d".repeat(255)}/a`)).toBeDefined();
  expect(parseSpiffeId(`spiffe://${"d".repeat(256)}/a`)).toBeUndefined();
});

test.each(["", "spiffe://", "spiffe:///a", "spiffe://td", "spiffe://td/", "SPIFFE://td/a", "https://td/a", "//td/a"])(
  "%j is no id of a workload",
  (text) => {
    expect(parseSpiffeId(text)).toBeUndefined();
  },
);
