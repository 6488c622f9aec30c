const TOKEN = /\s*(?:"((?:[^"\\]|\\["\\])*)"|(>=|<=|[=<>])|([^\s"=<>]+))/y;

/** A word, an operator, or a text in quotes. */
export interface FilterToken {
  readonly text: string;
  readonly quoted: boolean;
}

/**
 * The tokens of a filter (AIP-160): words, operators and quoted texts, in which `\"` stands for a quote and `\\` for a backslash. Undefined when a quote does not
 * end, or a character belongs to nothing. Whoever calls has looked at the length.
 */
export function filterTokens(text: string): readonly FilterToken[] | undefined {
  const trimmed = text.trimEnd();
  const tokens: FilterToken[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < trimmed.length) {
    const match = TOKEN.exec(trimmed);
    if (match === null) return undefined;
    const [, quoted, operator, word] = match;
    tokens.push({ text: quoted?.replace(/\\(.)/g, "$1") ?? operator ?? word ?? "", quoted: quoted !== undefined });
  }
  return tokens;
}
