import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The repository, where the reader stands. */
export const ROOT = join(import.meta.dirname, "../..");

/** README.md as it is. */
export const README = readFileSync(join(ROOT, "README.md"), "utf8");

/** A fenced block of the README. */
export interface Block {
  /** What stands behind the opening fence: "sh recipe", "json". */
  readonly info: string;
  readonly text: string;
  /** Where its fence opens, from 1. */
  readonly line: number;
}

/** Something to type, and what the README shows below it. */
export interface Recipe {
  readonly command: string;
  readonly line: number;
  /** Whether the README says that it fails. */
  readonly isRefused: boolean;
  /** Undefined: nothing is shown. */
  readonly output: string | undefined;
}

/** Every fenced block, in order. Throws on one that is not closed. */
export function readBlocks(markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { info: string; lines: string[]; line: number } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    if (open === undefined) {
      if (text.startsWith("```")) open = { info: text.slice(3).trim(), lines: [], line: index + 1 };
    } else if (text === "```") {
      blocks.push({ info: open.info, text: open.lines.join("\n"), line: open.line });
      open = undefined;
    } else open.lines.push(text);
  }
  if (open !== undefined) throw new Error(`the block that opens in line ${open.line} is not closed`);
  return blocks;
}

/** The recipes, in the order in which a reader follows them. What a recipe gives is shown by the json or text block right after it. */
export function readRecipes(markdown: string): readonly Recipe[] {
  const blocks = readBlocks(markdown);
  return blocks.flatMap((block, index) => {
    if (block.info !== "sh recipe" && block.info !== "sh recipe refused") return [];
    const next = blocks[index + 1];
    const isShown = next?.info === "json" || (next?.info === "text" && isRightAfter(block, next));
    const output = isShown ? next.text : undefined;
    return [{ command: block.text, line: block.line, isRefused: block.info.endsWith("refused"), output }];
  });
}

function isRightAfter(block: Block, next: Block): boolean {
  return next.line === block.line + block.text.split("\n").length + 3;
}

/** The one block with this info. */
export function theBlock(markdown: string, info: string): string {
  const [block, ...more] = readBlocks(markdown).filter((each) => each.info === info);
  if (block === undefined || more.length > 0) throw new Error(`there must be exactly one block "${info}"`);
  return block.text;
}
