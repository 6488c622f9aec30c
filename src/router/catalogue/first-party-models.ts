import { type CatalogueModel, model, tiered, tokens, unpriced, usd } from "./catalogue-model.ts";

/** Models whose makers a key can be connected for: OpenAI (with its open weights), xAI, DeepSeek. Sources and their date: `catalogue-model.ts`. */
export const FIRST_PARTY_MODELS: readonly CatalogueModel[] = [
  unpriced("openai/gpt-6-sol", "GPT-6 Sol", { openai: "gpt-6-sol", openrouter: "openai/gpt-6-sol" }),
  unpriced("openai/gpt-6-astra", "GPT-6 Astra", { openai: "gpt-6-astra", openrouter: "openai/gpt-6-astra" }),
  unpriced("openai/gpt-6-luna", "GPT-6 Luna", { openai: "gpt-6-luna", openrouter: "openai/gpt-6-luna" }),
  unpriced("openai/gpt-6-luna-pro", "GPT-6 Luna Pro", {
    openai: "gpt-6-luna-pro",
    openrouter: "openai/gpt-6-luna-pro",
  }),
  unpriced("openai/gpt-5.6-sol", "GPT-5.6 Sol", { openai: "gpt-5.6-sol", openrouter: "openai/gpt-5.6-sol" }),
  unpriced("openai/gpt-5.6-terra", "GPT-5.6 Terra", { openai: "gpt-5.6-terra", openrouter: "openai/gpt-5.6-terra" }),
  unpriced("openai/gpt-5.6-luna", "GPT-5.6 Luna", { openai: "gpt-5.6-luna", openrouter: "openai/gpt-5.6-luna" }),
  model("openai/gpt-5.5", "GPT-5.5", tokens(1_050_000, 128_000), tiered(usd(5, 30, 0.5), 272_000, usd(10, 45, 1)), {
    openai: "gpt-5.5",
  }),
  model("openai/gpt-5.5-pro", "GPT-5.5 Pro", tokens(1_050_000, 128_000), tiered(usd(30, 180), 272_000, usd(60, 270)), {
    openai: "gpt-5.5-pro",
  }),
  model(
    "openai/gpt-5.4",
    "GPT-5.4",
    tokens(1_050_000, 128_000),
    tiered(usd(2.5, 15, 0.25), 272_000, usd(5, 22.5, 0.5)),
    { openai: "gpt-5.4" },
  ),
  model("openai/gpt-5.4-pro", "GPT-5.4 Pro", tokens(1_050_000, 128_000), tiered(usd(30, 180), 272_000, usd(60, 270)), {
    openai: "gpt-5.4-pro",
  }),
  model("openai/gpt-5.4-mini", "GPT-5.4 mini", tokens(400_000, 128_000), usd(0.75, 4.5, 0.075), {
    openai: "gpt-5.4-mini",
  }),
  model("openai/gpt-5.4-nano", "GPT-5.4 nano", tokens(400_000, 128_000), usd(0.2, 1.25, 0.02), {
    openai: "gpt-5.4-nano",
  }),
  model("openai/gpt-5.3-codex", "GPT-5.3 Codex", tokens(400_000, 128_000), usd(1.75, 14, 0.175), {
    openai: "gpt-5.3-codex",
  }),
  model("openai/gpt-5.3-chat", "GPT-5.3 Chat", tokens(128_000, 16_384), usd(1.75, 14, 0.175), {
    openai: "gpt-5.3-chat-latest",
  }),
  model("openai/gpt-5.2", "GPT-5.2", tokens(400_000, 128_000), usd(1.75, 14, 0.175), { openai: "gpt-5.2" }),
  model("openai/gpt-5.2-pro", "GPT-5.2 Pro", tokens(400_000, 128_000), usd(21, 168), { openai: "gpt-5.2-pro" }),
  model("openai/gpt-5.2-codex", "GPT-5.2 Codex", tokens(400_000, 128_000), usd(1.75, 14, 0.175), {
    openai: "gpt-5.2-codex",
  }),
  model("openai/gpt-5.2-chat", "GPT-5.2 Chat", tokens(128_000, 16_384), usd(1.75, 14, 0.175), {
    openai: "gpt-5.2-chat-latest",
  }),
  model("openai/gpt-5.1", "GPT-5.1", tokens(400_000, 128_000), usd(1.25, 10, 0.125), { openai: "gpt-5.1" }),
  model("openai/gpt-5.1-codex", "GPT-5.1 Codex", tokens(400_000, 128_000), usd(1.25, 10, 0.125), {
    openai: "gpt-5.1-codex",
  }),
  model("openai/gpt-5.1-codex-max", "GPT-5.1 Codex Max", tokens(400_000, 128_000), usd(1.25, 10, 0.125), {
    openai: "gpt-5.1-codex-max",
  }),
  model("openai/gpt-5.1-codex-mini", "GPT-5.1 Codex mini", tokens(400_000, 100_000), usd(0.25, 2, 0.025), {
    openai: "gpt-5.1-codex-mini",
  }),
  model("openai/gpt-5.1-chat", "GPT-5.1 Chat", tokens(128_000, 16_384), usd(1.25, 10, 0.125), {
    openai: "gpt-5.1-chat-latest",
  }),
  model("openai/gpt-5", "GPT-5", tokens(400_000, 128_000), usd(1.25, 10, 0.125), { openai: "gpt-5" }),
  model("openai/gpt-5-pro", "GPT-5 Pro", tokens(400_000, 128_000), usd(15, 120), { openai: "gpt-5-pro" }),
  model("openai/gpt-5-mini", "GPT-5 Mini", tokens(400_000, 128_000), usd(0.25, 2, 0.025), { openai: "gpt-5-mini" }),
  model("openai/gpt-5-nano", "GPT-5 Nano", tokens(400_000, 128_000), usd(0.05, 0.4, 0.005), { openai: "gpt-5-nano" }),
  model("openai/gpt-5-codex", "GPT-5-Codex", tokens(400_000, 128_000), usd(1.25, 10, 0.125), { openai: "gpt-5-codex" }),
  model("openai/gpt-5-chat", "GPT-5 Chat", tokens(128_000, 16_384), usd(1.25, 10, 0.125), {
    openai: "gpt-5-chat-latest",
  }),
  model("openai/gpt-4.1", "GPT-4.1", tokens(1_047_576, 32_768), usd(2, 8, 0.5), { openai: "gpt-4.1" }),
  model("openai/gpt-4.1-mini", "GPT-4.1 mini", tokens(1_047_576, 32_768), usd(0.4, 1.6, 0.1), {
    openai: "gpt-4.1-mini",
  }),
  model("openai/gpt-4.1-nano", "GPT-4.1 nano", tokens(1_047_576, 32_768), usd(0.1, 0.4, 0.025), {
    openai: "gpt-4.1-nano",
  }),
  model("openai/gpt-4o", "GPT-4o", tokens(128_000, 16_384), usd(2.5, 10, 1.25), { openai: "gpt-4o" }),
  model("openai/gpt-4o-2024-11-20", "GPT-4o (2024-11-20)", tokens(128_000, 16_384), usd(2.5, 10, 1.25), {
    openai: "gpt-4o-2024-11-20",
  }),
  model("openai/gpt-4o-2024-08-06", "GPT-4o (2024-08-06)", tokens(128_000, 16_384), usd(2.5, 10, 1.25), {
    openai: "gpt-4o-2024-08-06",
  }),
  model("openai/gpt-4o-2024-05-13", "GPT-4o (2024-05-13)", tokens(128_000, 4_096), usd(5, 15), {
    openai: "gpt-4o-2024-05-13",
  }),
  model("openai/gpt-4o-mini", "GPT-4o mini", tokens(128_000, 16_384), usd(0.15, 0.6, 0.075), { openai: "gpt-4o-mini" }),
  model("openai/gpt-4-turbo", "GPT-4 Turbo", tokens(128_000, 4_096), usd(10, 30), { openai: "gpt-4-turbo" }),
  model("openai/gpt-4", "GPT-4", tokens(8_191, 4_096), usd(30, 60), { openai: "gpt-4" }),
  model("openai/gpt-3.5-turbo", "GPT-3.5-turbo", tokens(16_385, 4_096), usd(0.5, 1.5), { openai: "gpt-3.5-turbo" }),
  model("openai/o1", "o1", tokens(200_000, 100_000), usd(15, 60, 7.5), { openai: "o1" }),
  model("openai/o1-pro", "o1-pro", tokens(200_000, 100_000), usd(150, 600), { openai: "o1-pro" }),
  model("openai/o3", "o3", tokens(200_000, 100_000), usd(2, 8, 0.5), { openai: "o3" }),
  model("openai/o3-pro", "o3-pro", tokens(200_000, 100_000), usd(20, 80), { openai: "o3-pro" }),
  model("openai/o3-mini", "o3-mini", tokens(200_000, 100_000), usd(1.1, 4.4, 0.55), { openai: "o3-mini" }),
  model("openai/o3-mini-high", "o3 Mini High", tokens(200_000, 100_000), usd(1.1, 4.4, 0.55)),
  model("openai/o4-mini", "o4-mini", tokens(200_000, 100_000), usd(1.1, 4.4, 0.275), { openai: "o4-mini" }),
  model("openai/o4-mini-high", "o4 Mini High", tokens(200_000, 100_000), usd(1.1, 4.4, 0.275)),
  model("openai/gpt-oss-120b", "GPT OSS 120B", tokens(131_072, 65_536), usd(0.15, 0.6), {
    groq: "openai/gpt-oss-120b",
    together: "openai/gpt-oss-120b",
  }),
  model("openai/gpt-oss-20b", "gpt-oss-20b", tokens(131_072, 65_536), usd(0.075, 0.3), {
    groq: "openai/gpt-oss-20b",
    together: "openai/gpt-oss-20b",
  }),
  model("openai/gpt-oss-safeguard-20b", "gpt-oss-safeguard-20b", tokens(131_072, 65_536), usd(0.075, 0.3), {
    groq: "openai/gpt-oss-safeguard-20b",
  }),
  unpriced("x-ai/grok-4.7", "Grok 4.7", { xai: "grok-4.7", openrouter: "x-ai/grok-4.7" }),
  unpriced("x-ai/grok-4.6", "Grok 4.6", { xai: "grok-4.6", openrouter: "x-ai/grok-4.6" }),
  unpriced("x-ai/grok-4.5", "Grok 4.5", { xai: "grok-4.5", openrouter: "x-ai/grok-4.5" }),
  model(
    "x-ai/grok-4.3",
    "Grok 4.3",
    tokens(1_000_000, 30_000),
    tiered(usd(1.25, 2.5, 0.2), 200_000, usd(2.5, 5, 0.4)),
    { xai: "grok-4.3" },
  ),
  model(
    "x-ai/grok-4.20",
    "Grok 4.20",
    tokens(1_000_000, 30_000),
    tiered(usd(1.25, 2.5, 0.2), 200_000, usd(2.5, 5, 0.4)),
    { xai: "grok-4.20-0309-reasoning" },
  ),
  model(
    "x-ai/grok-4.20-multi-agent",
    "Grok 4.20 Multi-Agent",
    tokens(1_000_000, 30_000),
    tiered(usd(1.25, 2.5, 0.2), 200_000, usd(2.5, 5, 0.4)),
    { xai: "grok-4.20-multi-agent-0309" },
  ),
  model(
    "x-ai/grok-build-0.1",
    "Grok Build 0.1",
    tokens(256_000, 256_000),
    tiered(usd(1, 2, 0.2), 200_000, usd(2, 4, 0.4)),
    { xai: "grok-build-0.1" },
  ),
  unpriced("deepseek/deepseek-v4.1-flash", "DeepSeek V4.1 Flash", {
    deepseek: "deepseek-flash",
    together: "deepseek-ai/DeepSeek-V4.1-Flash",
    openrouter: "deepseek/deepseek-v4.1-flash",
  }),
  model("deepseek/deepseek-v4-pro", "DeepSeek V4 Pro", tokens(512_000, 384_000), usd(0.435, 0.87, 0.003625), {
    deepseek: "deepseek-v4-pro",
    together: "deepseek-ai/DeepSeek-V4-Pro",
  }),
  model("deepseek/deepseek-v4-flash", "DeepSeek V4 Flash", tokens(1_000_000, 65_536), usd(0.14, 0.28, 0.0028), {
    deepseek: "deepseek-v4-flash",
  }),
  model("deepseek/deepseek-v3.2", "DeepSeek V3.2", tokens(128_000, 64_000), usd(0.2288, 0.3432, 0.02288)),
  model("deepseek/deepseek-chat-v3.1", "DeepSeek V3.1", tokens(131_072, 32_768), usd(0.6, 1.7), {
    together: "deepseek-ai/DeepSeek-V3-1",
  }),
  model("deepseek/deepseek-chat-v3-0324", "DeepSeek V3 0324", tokens(163_840, 16_384), usd(0.2, 0.77, 0.135)),
  model("deepseek/deepseek-r1", "DeepSeek-R1", tokens(64_000, 16_000), usd(3, 7), {
    together: "deepseek-ai/DeepSeek-R1",
  }),
  model("deepseek/deepseek-r1-0528", "R1 0528", tokens(163_840, 32_768), usd(0.5, 2.15, 0.35)),
];
