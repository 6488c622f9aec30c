import { LIMITS } from "../base/limits.ts";
import { ROLES, type Role } from "./roles.ts";
import { isPathSegment, isSpiffePath } from "./spiffe-id.ts";

const ENTRIES_MAX = 1_000;

/** Which SPIFFE path has which role. */
export interface RoleMap {
  /** The role of the longer, exact paths. */
  readonly exact: ReadonlyMap<string, Role>;
  /** By what stands before the last segment, slash included: "/agent-host/" for the pattern "/agent-host/*". */
  readonly byPrefix: ReadonlyMap<string, Role>;
}

/** `/<role>/<name>` for each role. */
export const DEFAULT_ROLE_MAP: RoleMap = {
  exact: new Map(),
  byPrefix: new Map(ROLES.map((role) => [`/${role}/`, role])),
};

/** A role map, or every mistake in its text. */
export type RoleMapReading =
  | { readonly kind: "ok"; readonly roleMap: RoleMap }
  | { readonly kind: "wrong"; readonly mistakes: readonly string[] };

/**
 * Reads a role map: a JSON object from path to role, for example `{"/agent-host/*": "agent-host", "/ops/alice": "admin"}`. A path is exact or ends in
 * a `*` that stands for exactly one segment: were it to stand for several, two hosts could share the name that their last segment gives them.
 */
export function parseRoleMap(json: string): RoleMapReading {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return { kind: "wrong", mistakes: ["is not JSON"] };
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    return { kind: "wrong", mistakes: ["must be a JSON object from path to role"] };
  const entries = Object.entries(parsed);
  const mistakes: string[] = [];
  if (entries.length === 0) mistakes.push("maps nothing");
  if (entries.length > ENTRIES_MAX) mistakes.push(`has more than ${ENTRIES_MAX} entries`);
  const exact = new Map<string, Role>();
  const byPrefix = new Map<string, Role>();
  for (const [path, value] of entries.slice(0, ENTRIES_MAX)) {
    const shown = JSON.stringify(path);
    const role = ROLES.find((known) => known === value);
    if (role === undefined) mistakes.push(`${shown} must map to one of ${ROLES.join(", ")}`);
    const isPattern = path.endsWith("/*");
    const isPathRight = isPattern ? isPrefix(path.slice(0, -1)) : isSpiffePath(path);
    if (!isPathRight) mistakes.push(`${shown} must be a path such as "/ops/alice" or "/ops/*"`);
    if (role === undefined || !isPathRight) continue;
    if (isPattern) byPrefix.set(path.slice(0, -1), role);
    else exact.set(path, role);
  }
  return mistakes.length > 0 ? { kind: "wrong", mistakes } : { kind: "ok", roleMap: { exact, byPrefix } };
}

/**
 * The role of a SPIFFE path and the name that its last segment gives; undefined when no entry matches, or when the name could be no id of the
 * platform's. An exact path wins over a pattern.
 */
export function roleOf(roleMap: RoleMap, path: string): { readonly role: Role; readonly name: string } | undefined {
  const nameStart = path.lastIndexOf("/") + 1;
  const role = roleMap.exact.get(path) ?? roleMap.byPrefix.get(path.slice(0, nameStart));
  const name = path.slice(nameStart);
  return role === undefined || name.length > LIMITS.idMaxChars ? undefined : { role, name };
}

function isPrefix(prefix: string): boolean {
  return prefix === "/" || prefix.slice(1, -1).split("/").every(isPathSegment);
}
