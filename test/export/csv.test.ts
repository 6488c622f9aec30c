import fc from "fast-check";
import { expect, test } from "vitest";
import { csvLine, fromTextCell, readCsvLine, textCell } from "../../src/export/csv.ts";

test.each([
  [["a", "b"], "a,b\r\n"],
  [["", ""], ",\r\n"],
  [["a,b", 'say "x"'], '"a,b","say ""x"""\r\n'],
  [['"'], '""""\r\n'],
])("%j is written as RFC 4180 has it", (cells, line) => {
  expect(csvLine(cells)).toBe(line);
});

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\tx", '=HYPERLINK("http://x")'])("%j is no formula any more", (text) => {
  expect(textCell(text)).toBe(`'${text}`);
  expect(fromTextCell(textCell(text))).toBe(text);
});

test("a cell of text is one line", () => {
  expect(textCell("a\r\nb\n\nc")).toBe("a b c");
  expect(textCell("\n=1")).toBe(" =1");
});

test("what is written reads the same again, and no cell begins like a formula", () => {
  const text = fc.string({ unit: "binary" }).map((one) => one.replace(/[\r\n]/g, ""));
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), (texts) => {
      const cells = readCsvLine(csvLine(texts.map(textCell)).slice(0, -2));
      expect(cells?.some((cell) => /^[=+\-@\t]/.test(cell))).toBe(false);
      expect(cells?.map((cell, index) => (texts[index]?.startsWith("'") ? texts[index] : fromTextCell(cell)))).toEqual(
        texts,
      );
    }),
  );
});

test.each(['"', 'a"b', '"a"b', '"a', '""a"'])("%j is no record", (line) => {
  expect(readCsvLine(line)).toBeUndefined();
});
