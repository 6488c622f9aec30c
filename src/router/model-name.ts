import type { FieldChecker } from "../base/fields.ts";
import { LIMITS } from "../base/limits.ts";
import { PROVIDERS, type Provider } from "../base/provider.ts";

const SEPARATOR = "::";

/** A model as a call names it. */
export interface ModelName {
  /** The id without the qualifying provider; never changed in any other way. */
  readonly id: string;
  /** The provider of the form `provider::id`; the id is then that provider's own and sent verbatim. */
  readonly qualifiedBy?: Provider;
}

/**
 * Reads a model's name. It is qualified only when the text before the first `::` is exactly a provider's slug: OpenAI's fine-tunes
 * (`ft:gpt-4o-mini:org::id`) hold `::` too.
 */
export function parseModelName(name: string): ModelName {
  const at = name.indexOf(SEPARATOR);
  if (at < 0) return { id: name };
  const slug = name.slice(0, at);
  const provider = PROVIDERS.find((known) => known === slug);
  return provider === undefined ? { id: name } : { id: name.slice(at + SEPARATOR.length), qualifiedBy: provider };
}

/** A pin as a request can name it; only a provider whose keys exist here can be pinned. */
export type NamedPin = Provider | "anthropic" | "unknown";

/** A call's model and the provider that it is pinned to, if it is. */
export interface ModelAndPin {
  readonly model: ModelName;
  readonly pin: Provider | undefined;
}

/** Notes what is wrong with a call's model and pin. Returns both, which are only good when nothing was noted. */
export function checkModelAndPin(fields: FieldChecker, name: string, named: NamedPin | undefined): ModelAndPin {
  const pin = checkPin(fields, named);
  return { model: checkModelName(fields, name, pin), pin };
}

function checkPin(fields: FieldChecker, named: NamedPin | undefined): Provider | undefined {
  fields.check(named !== "anthropic", "provider", "cannot be ANTHROPIC: pin OPENROUTER for Claude");
  fields.check(named !== "unknown", "provider", "is not a provider that is known");
  return named === "anthropic" || named === "unknown" ? undefined : named;
}

function checkModelName(fields: FieldChecker, name: string, pin: Provider | undefined): ModelName {
  fields.text("model", name, 1, LIMITS.modelMaxChars);
  const model = name.length <= LIMITS.modelMaxChars ? parseModelName(name) : { id: "" };
  if (name !== "")
    fields.check(
      model.id !== "" || name.length > LIMITS.modelMaxChars,
      "model",
      "must name a model after the provider",
    );
  fields.check(
    pin === undefined || model.qualifiedBy === undefined || model.qualifiedBy === pin,
    "provider",
    "must be the provider that the model is qualified by, or be left out",
  );
  return model;
}
