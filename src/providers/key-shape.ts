import { LIMITS } from "../base/limits.ts";
import { PROVIDERS, type Provider } from "../base/provider.ts";
import type { KeyShape } from "./descriptor.ts";
import { describeProvider } from "./descriptors.ts";

/** Whose key a text looks like. `openai-admin`: an admin key of OpenAI's, which cannot call models. */
export type KeyKind = Provider | "anthropic" | "openai-admin";

/** Whether a text can be a key of the provider. `hint` tells the user what to do and holds no part of the key. */
export type ShapeCheck =
  | { readonly kind: "ok" }
  | { readonly kind: "mismatch"; readonly looksLike?: KeyKind; readonly hint: string };

/** A pasted key without the white space around it: this is what is probed and sealed. */
export function trimKey(secretText: string): string {
  return secretText.trim();
}

/**
 * Looks at a pasted key before it is sent anywhere, so that one provider's key is not shown to another. Lengths are no criterion, since
 * providers change them: only text that cannot be a key, or is clearly another provider's, is refused. The probe decides the rest.
 */
export function checkKeyShape(provider: Provider, secretText: string): ShapeCheck {
  const text = trimKey(secretText);
  const descriptor = describeProvider(provider);
  const { key, keyPageUrl } = descriptor;
  const again = `Copy the key again from ${keyPageUrl} and paste nothing else.`;
  if (text === "") return mismatch(`No key was given. ${again}`);
  if (text.length > LIMITS.secretMaxChars) return mismatch(`This is too long to be ${key.noun}. ${again}`);
  if (/\s/.test(text)) return mismatch(`A key has no spaces or line breaks inside. ${again}`);
  if (/[^\x21-\x7e]/.test(text)) return mismatch(`A key has plain ASCII characters only. ${again}`);
  const looksLike = recogniseKey(text);
  if (looksLike !== undefined && looksLike !== provider) return wrongKind(looksLike, provider);
  if (key.accepted.test(text)) return { kind: "ok" };
  // An OpenAI key is never 32 hexadecimal digits, so this one was most likely copied at DeepSeek; it must not be shown to OpenAI.
  if (describeProvider("deepseek").key.published.test(text)) return wrongKind("deepseek", provider);
  return mismatch(`This does not look like ${key.noun}${beginning(key, text)}. ${again}`);
}

/** Whose key the text is, when it can be nobody else's; undefined when it does not tell. DeepSeek's keys never tell. */
export function recogniseKey(text: string): KeyKind | undefined {
  if (text.startsWith("sk-ant-")) return "anthropic";
  if (describeProvider("openai").key.rejected?.test(text) === true) return "openai-admin";
  return PROVIDERS.find((provider) => describeProvider(provider).key.claims?.test(text) === true);
}

function wrongKind(looksLike: KeyKind, provider: Provider): ShapeCheck {
  if (looksLike === "anthropic") {
    return mismatch(
      "This looks like an Anthropic key. Native Anthropic keys are not supported: use an OpenRouter key for Claude.",
      looksLike,
    );
  }
  if (looksLike === "openai-admin") {
    const { keyPageUrl } = describeProvider("openai");
    return mismatch(
      `This looks like an OpenAI admin key, which cannot call models: make a project key at ${keyPageUrl}.`,
      looksLike,
    );
  }
  const { key } = describeProvider(looksLike);
  const wanted = describeProvider(provider);
  return mismatch(
    `This looks like ${key.noun}, not ${wanted.key.noun}. Connect it as ${describeProvider(looksLike).displayName}, or copy ${wanted.key.noun} from ${wanted.keyPageUrl}.`,
    looksLike,
  );
}

/** Said only when the text begins otherwise: the hint repeats nothing of the key, not even its prefix. */
function beginning({ prefix }: KeyShape, text: string): string {
  if (prefix === undefined) return "";
  return text.startsWith(prefix) ? ": it holds characters that such keys never have" : `, which begins with ${prefix}`;
}

function mismatch(hint: string, looksLike?: KeyKind): ShapeCheck {
  return looksLike === undefined ? { kind: "mismatch", hint } : { kind: "mismatch", looksLike, hint };
}
