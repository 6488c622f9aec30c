/**
 * What stands at a dotted path of property names inside parsed JSON; "" is the value itself; undefined when it is not there. Own properties
 * only, so that "constructor" in a path or in a body means nothing special.
 */
export function readPath(value: unknown, path: string): unknown {
  if (path === "") return value;
  let at = value;
  for (const name of path.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
    at = Reflect.get(at, name);
  }
  return at;
}
