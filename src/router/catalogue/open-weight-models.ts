import { type CatalogueModel, elsewhere, model, tokens, unpriced, usd } from "./catalogue-model.ts";

/** Open-weight models that several hosts serve, and those that only Groq or Together serve. Sources and their date: `catalogue-model.ts`. */
export const OPEN_WEIGHT_MODELS: readonly CatalogueModel[] = [
  model("meta-llama/llama-4-maverick", "Llama 4 Maverick", tokens(1_048_576, 16_384), usd(0.15, 0.6)),
  model("meta-llama/llama-4-scout", "Llama 4 Scout", tokens(131_072, 8_192), usd(0.11, 0.34), {
    groq: "meta-llama/llama-4-scout-17b-16e-instruct",
  }),
  model("meta-llama/llama-3.3-70b-instruct", "Llama-3.3-70B-Instruct", tokens(131_072, 16_384), usd(0.88, 0.88), {
    together: "meta-llama/Llama-3.3-70B-Instruct-Turbo",
  }),
  model("meta-llama/llama-3.1-70b-instruct", "Llama 3.1 70B Instruct", tokens(131_072, 16_384), usd(0.4, 0.4)),
  model("meta-llama/llama-3.1-8b-instruct", "Llama 3.1 8B Instruct", tokens(131_072, 16_384), usd(0.05, 0.08), {
    groq: "llama-3.1-8b-instant",
  }),
  model("meta-llama/llama-3-8b-instruct", "Llama 3 8B Instruct", tokens(8_192, 8_192), usd(0.14, 0.14), {
    together: "meta-llama/Meta-Llama-3-8B-Instruct-Lite",
  }),
  model("qwen/qwen3.7-max", "Qwen3.7 Max", tokens(1_000_000, 65_536), usd(1.25, 3.75, undefined, 1.5625), {
    together: "Qwen/Qwen3.7-Max",
  }),
  model("qwen/qwen3.7-plus", "Qwen3.7 Plus", tokens(1_000_000, 65_536), usd(0.32, 1.28, 0.064, 0.4)),
  model("qwen/qwen3.6-plus", "Qwen3.6 Plus", tokens(1_000_000, 65_536), usd(0.5, 3, undefined, 0.40625), {
    together: "Qwen/Qwen3.6-Plus",
  }),
  model("qwen/qwen3.6-flash", "Qwen3.6 Flash", tokens(1_000_000, 65_536), usd(0.1875, 1.125, undefined, 0.234375)),
  model("qwen/qwen3.6-35b-a3b", "Qwen3.6 35B-A3B", tokens(262_144, 262_144), usd(0.14, 1)),
  model("qwen/qwen3.6-27b", "Qwen3.6 27B", tokens(262_140, 262_140), usd(0.285, 2.4)),
  model("qwen/qwen3.5-397b-a17b", "Qwen3.5 397B-A17B", tokens(131_072, 64_000), usd(0.6, 3.6), {
    together: "Qwen/Qwen3.5-397B-A17B",
  }),
  model("qwen/qwen3.5-122b-a10b", "Qwen3.5 122B-A10B", tokens(262_144, 262_144), usd(0.26, 2.08)),
  model("qwen/qwen3.5-27b", "Qwen3.5 27B", tokens(262_144, 65_536), usd(0.195, 1.56)),
  model("qwen/qwen3.5-9b", "Qwen3.5 9B", tokens(262_144, 65_536), usd(0.17, 0.25), { together: "Qwen/Qwen3.5-9B" }),
  model("qwen/qwen3-max", "Qwen3 Max", tokens(262_144, 32_768), usd(0.78, 3.9, 0.156, 0.975)),
  model("qwen/qwen3-coder", "Qwen3 Coder 480B A35B", tokens(262_144, 65_536), usd(2, 2), {
    together: "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8",
  }),
  model("qwen/qwen3-coder-plus", "Qwen3 Coder Plus", tokens(1_000_000, 65_536), usd(0.65, 3.25, 0.13, 0.8125)),
  model("qwen/qwen3-coder-next", "Qwen3 Coder Next", tokens(262_144, 262_144), usd(0.5, 1.2), {
    together: "Qwen/Qwen3-Coder-Next-FP8",
  }),
  model("qwen/qwen3-235b-a22b-2507", "Qwen3 235B A22B Instruct 2507", tokens(262_144, 16_384), usd(0.2, 0.6), {
    together: "Qwen/Qwen3-235B-A22B-Instruct-2507-tput",
  }),
  model("qwen/qwen3-next-80b-a3b-instruct", "Qwen3-Next 80B-A3B Instruct", tokens(262_144, 16_384), usd(0.09, 1.1)),
  model("qwen/qwen3-32b", "Qwen3 32B", tokens(40_960, 16_384), usd(0.29, 0.59), { groq: "qwen/qwen3-32b" }),
  model("qwen/qwen-2.5-72b-instruct", "Qwen2.5 72B Instruct", tokens(32_768, 16_384), usd(0.36, 0.4)),
  model("qwen/qwen-2.5-7b-instruct", "Qwen2.5 7B Instruct", tokens(32_768, 32_768), usd(0.3, 0.3), {
    together: "Qwen/Qwen2.5-7B-Instruct-Turbo",
  }),
  model("z-ai/glm-5.2", "GLM-5.2", tokens(262_144, 32_768), usd(1.4, 4.4, 0.26), { together: "zai-org/GLM-5.2" }),
  model("z-ai/glm-5.1", "GLM-5.1", tokens(65_536, 65_536), usd(1.4, 4.4), { together: "zai-org/GLM-5.1" }),
  model("z-ai/glm-5", "GLM-5", tokens(202_752, 128_000), usd(1, 3.2), { together: "zai-org/GLM-5" }),
  model("z-ai/glm-5-turbo", "GLM-5-Turbo", tokens(262_144, 131_072), usd(1.2, 4, 0.24)),
  model("z-ai/glm-4.7", "GLM-4.7", tokens(202_752, 131_072), usd(0.4, 1.75, 0.08)),
  model("z-ai/glm-4.7-flash", "GLM-4.7-Flash", tokens(202_752, 16_384), usd(0.06, 0.4, 0.01)),
  model("z-ai/glm-4.6", "GLM-4.6", tokens(202_752, 131_072), usd(0.43, 1.74, 0.08)),
  model("z-ai/glm-4.5", "GLM-4.5", tokens(131_072, 98_304), usd(0.6, 2.2, 0.11)),
  model("z-ai/glm-4.5-air", "GLM-4.5-Air", tokens(131_072, 98_304), usd(0.13, 0.85, 0.025)),
  model("moonshotai/kimi-k2.7-code", "Kimi K2.7 Code", tokens(262_144, 16_384), usd(0.95, 4, 0.19), {
    together: "moonshotai/Kimi-K2.7-Code",
  }),
  model("moonshotai/kimi-k2.6", "Kimi K2.6", tokens(262_144, 131_000), usd(1.2, 4.5, 0.2), {
    together: "moonshotai/Kimi-K2.6",
  }),
  model("moonshotai/kimi-k2.5", "Kimi K2.5", tokens(256_000, 256_000), usd(0.5, 2.8), {
    together: "moonshotai/Kimi-K2.5",
  }),
  model("moonshotai/kimi-k2-thinking", "Kimi K2 Thinking", tokens(262_144, 262_144), usd(0.6, 2.5, 0.6)),
  model("moonshotai/kimi-k2-0905", "Kimi K2 0905", tokens(262_144, 100_352), usd(0.6, 2.5)),
  model("minimax/minimax-m3", "MiniMax-M3", tokens(524_288, 250_000), usd(0.3, 1.2, 0.06), {
    together: "MiniMaxAI/MiniMax-M3",
  }),
  model("minimax/minimax-m2.7", "MiniMax-M2.7", tokens(196_608, 131_072), usd(0.3, 1.2), {
    together: "MiniMaxAI/MiniMax-M2.7",
  }),
  model("minimax/minimax-m2.5", "MiniMax-M2.5", tokens(196_608, 131_072), usd(0.3, 1.2), {
    together: "MiniMaxAI/MiniMax-M2.5",
  }),
  model("minimax/minimax-m2.1", "MiniMax-M2.1", tokens(196_608, 196_608), usd(0.29, 0.95, 0.03)),
  model(
    "nvidia/nemotron-3-ultra-550b-a55b",
    "Nemotron 3 Ultra 550B A55B",
    tokens(262_144, 16_384),
    usd(0.6, 3.6, 0.2),
    { together: "nvidia/nemotron-3-ultra-550b-a55b" },
  ),
  model("nvidia/nemotron-3-super-120b-a12b", "Nemotron 3 Super 120B A12B", tokens(262_144, 16_384), usd(0.085, 0.4)),
  model("nvidia/nemotron-3-nano-30b-a3b", "Nemotron 3 Nano 30B A3B", tokens(262_144, 228_000), usd(0.05, 0.2)),
  unpriced("groq/compound", "Groq Compound", { groq: "groq/compound" }),
  unpriced("groq/compound-mini", "Groq Compound Mini", { groq: "groq/compound-mini" }),
  elsewhere("essentialai/Rnj-1-Instruct", "Rnj-1 Instruct", tokens(32_768, 32_768), usd(0.15, 0.15), {
    together: "essentialai/Rnj-1-Instruct",
  }),
];
