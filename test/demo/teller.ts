import { styleText } from "node:util";
import { creditsText } from "./credits.ts";

const WHO_CHARS = 13;
const ASKS_CHARS = 52;
const LINE_CHARS = 120;

/** One exchange with the service, as it is told. Nothing in it may hold a secret. */
export interface Step {
  /** Who calls: a role, a host, or the SDK. */
  readonly who: string;
  readonly asks: string;
  readonly gets: string;
  /** What the account can spend afterwards, in nano-credits, where credits are concerned. */
  readonly balanceNano?: bigint;
  /** What the service itself said, in its own words. */
  readonly says?: string;
}

/** Tells what happens on the stage. */
export interface Teller {
  heading(title: string, text: string): void;
  step(step: Step): void;
  /** A line as it is. */
  line(text?: string): void;
  /** The last word: whether everything held. */
  verdict(held: boolean, text: string): void;
}

/** Tells nothing. */
export const silentTeller: Teller = { heading() {}, step() {}, line() {}, verdict() {} };

/** Tells in aligned lines of text; in colours only if told so. */
export function createPrinter(write: (text: string) => void, coloured: boolean): Teller {
  const paint = (format: Parameters<typeof styleText>[0], text: string): string =>
    coloured ? styleText(format, text, { validateStream: false }) : text;
  const line = (text = ""): void => write(`${text}\n`);
  return {
    line,
    heading(title, text) {
      line();
      line(`${paint(["bold", "cyan"], title.padEnd(4))}${paint("bold", text)}`);
    },
    step({ who, asks, gets, balanceNano, says }) {
      const balance = balanceNano === undefined ? "" : `  balance ${creditsText(balanceNano)}`;
      line(`    ${paint("yellow", who.padEnd(WHO_CHARS))}${asks.padEnd(ASKS_CHARS)} ${gets}${paint("green", balance)}`);
      if (says === undefined) return;
      const indent = " ".repeat(4 + WHO_CHARS);
      for (const part of wrap(`"${says}"`, LINE_CHARS - indent.length)) line(`${indent}${paint("dim", part)}`);
    },
    verdict(held, text) {
      line();
      line(paint(held ? ["bold", "green"] : ["bold", "red"], text));
    },
  };
}

/** Breaks a text at its spaces into lines of at most so many characters, where words allow. */
function wrap(text: string, maxChars: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > maxChars) {
      lines.push(current);
      current = word;
    } else {
      current = current === "" ? word : `${current} ${word}`;
    }
  }
  return [...lines, current];
}
