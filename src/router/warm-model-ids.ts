import type { ModelIds, ModelLists, RoutableKey } from "./ports.ts";

const NONE: ModelIds = new Map();

/** The model ids of an account with these keys, if that takes no waiting; undefined: `lists.of` must be asked. Lists come with keys, so without any there are none. */
export function warmModelIds(
  lists: Pick<ModelLists, "warm">,
  account: string,
  keys: readonly RoutableKey[],
): ModelIds | undefined {
  return keys.length === 0 ? NONE : lists.warm(account);
}
