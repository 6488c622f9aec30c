/** All six take the key the same way. */
export const BEARER = { header: "authorization", prefix: "Bearer " } as const;

/** Where the usage object of OpenAI's chat completions tells what; the others started from it. */
export const OPENAI_USAGE = {
  inputPath: "prompt_tokens",
  cacheReadPaths: ["prompt_tokens_details.cached_tokens"],
  outputPath: "completion_tokens",
  reasoningPath: "completion_tokens_details.reasoning_tokens",
  outputIncludesReasoning: true,
  cacheMayExceedInput: false,
  streamed: "include_usage",
} as const;
