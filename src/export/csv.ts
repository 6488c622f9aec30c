/** What ends a record (RFC 4180 §2). */
export const LINE_END = "\r\n";

const NEEDS_QUOTES = /[",\r\n]/;
/** How a cell begins that a spreadsheet would take for a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r]/;
const LINE_BREAKS = /[\r\n]+/g;

/** A record of CSV with its line's end (RFC 4180). The cells are what `textCell` made, or digits. */
export function csvLine(cells: readonly string[]): string {
  return cells.map((cell) => (NEEDS_QUOTES.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",") + LINE_END;
}

/**
 * Text of others as a cell: one that a spreadsheet would take for a formula gets an apostrophe before it, which spreadsheets do not show and which ids cannot
 * begin with. A cell is one line, so that a file that was cut off can be cut at a line's end.
 */
export function textCell(text: string): string {
  const line = text.replace(LINE_BREAKS, " ");
  return FORMULA.test(line) ? `'${line}` : line;
}

/** A cell's text again. */
export function fromTextCell(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell;
}

/** The cells of a record, without its line's end; undefined when it is none. */
export function readCsvLine(line: string): readonly string[] | undefined {
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = cell.exec(line);
    if (match === null) return undefined;
    const [, quoted, bare = "", end] = match;
    cells.push(quoted?.replaceAll('""', '"') ?? bare);
    if (end === "") return cells;
  }
}
