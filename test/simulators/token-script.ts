import { asRecord } from "./wire.ts";

/** Token counts that a test wants to see, instead of counted words. */
export interface TokenScript {
  /** All input, cached or not. */
  readonly input?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  /** Output without reasoning. */
  readonly output?: number;
  readonly reasoning?: number;
}

/** What a call used; `input` contains the cached parts, `output` does not contain the reasoning. */
export type CallTokens = Required<TokenScript>;

/** Words stand for tokens: the same request always costs the same. */
export function countTokens(messages: unknown, replyWords: number, script: TokenScript | undefined): CallTokens {
  const words = Array.isArray(messages) ? messages.reduce<number>((sum, one) => sum + wordsOf(contentOf(one)), 0) : 0;
  return {
    input: Math.max(words, 1),
    cacheRead: 0,
    cacheWrite: 0,
    output: replyWords,
    reasoning: 0,
    ...script,
  };
}

/** The text of a chat message, whose content is a string or a list of parts. */
export function contentOf(message: unknown): string {
  const { content } = asRecord(message);
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((part) => asRecord(part)["text"])
    .filter((text) => typeof text === "string")
    .join(" ");
}

function wordsOf(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}

/** What the call costs in 10^-10 US dollars: 3 dollars a million input tokens, 15 dollars a million output tokens. */
export function costTicksOf(tokens: CallTokens): number {
  return tokens.input * 30_000 + (tokens.output + tokens.reasoning) * 150_000;
}
