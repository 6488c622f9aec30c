/** Stands in the README for any number of lines. */
const LEFT_OUT = "…";

/** What differs from run to run, and what it becomes. */
const VARIABLE: readonly (readonly [RegExp, string])[] = [
  [/"credential": "[^"]+"/g, '"credential": "<base64>"'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "<time>"],
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<id>"],
  [/\b[0-9a-f]{64}\b/g, "<hash>"],
  [/127\.0\.0\.1:\d+/g, "127.0.0.1:<port>"],
];

/** Undefined when `actual` is what the README shows, or what was looked for in vain. Indentation, ids, times, ports and hashes do not count. */
export function findDifference(shown: string, actual: string): string | undefined {
  const lines = comparable(actual);
  const chunks = splitAtGaps(comparable(shown));
  let at = 0;
  for (const [index, chunk] of chunks.entries()) {
    const isFirst = index === 0;
    const isLast = index === chunks.length - 1;
    const found = isLast && !isFirst ? lines.length - chunk.length : isFirst ? 0 : findChunk(lines, chunk, at);
    if (found < at || !startsWith(lines, chunk, found) || (isLast && found + chunk.length !== lines.length)) {
      return `the README shows\n${chunk.join("\n")}\nbut the answer is\n${lines.join("\n")}`;
    }
    at = found + chunk.length;
  }
  return undefined;
}

function comparable(text: string): readonly string[] {
  let same = text.trim();
  for (const [pattern, word] of VARIABLE) same = same.replace(pattern, word);
  // Go's JSON printer varies its spaces on purpose.
  return same.split("\n").map((line) => line.trim().replace(/":\s+/, '": '));
}

function splitAtGaps(lines: readonly string[]): readonly (readonly string[])[] {
  const chunks: string[][] = [[]];
  for (const line of lines) {
    if (line === LEFT_OUT) chunks.push([]);
    else chunks.at(-1)?.push(line);
  }
  return chunks;
}

function findChunk(lines: readonly string[], chunk: readonly string[], from: number): number {
  for (let at = from; at + chunk.length <= lines.length; at += 1) if (startsWith(lines, chunk, at)) return at;
  return -1;
}

function startsWith(lines: readonly string[], chunk: readonly string[], at: number): boolean {
  return chunk.every((line, index) => lines[at + index] === line);
}
