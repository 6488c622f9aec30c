import type { Catalogue } from "./catalogue.ts";

const SUGGESTIONS_MAX = 3;
/** Longer names are no slip of the hand; comparing them would only cost time. */
const COMPARED_MAX_CHARS = 64;
const EDITS_MAX = 3;

/**
 * Canonical ids that may have been meant by a name that nothing knows: the same but for case, the same without its author, or a few letters
 * off. For people to read: it never decides a route. Best first, at most three.
 */
export function suggestModels(name: string, catalogue: Catalogue): readonly string[] {
  if (name.length > COMPARED_MAX_CHARS) return [];
  const wanted = name.toLowerCase();
  const wantedTail = tailOf(wanted);
  const scored: { readonly id: string; readonly edits: number }[] = [];
  for (const model of catalogue.models) {
    let edits = EDITS_MAX + 1;
    for (const id of [model.id, ...Object.values(model.ids)]) {
      const known = id.toLowerCase();
      edits = Math.min(
        edits,
        editDistance(wanted, known, EDITS_MAX),
        editDistance(wantedTail, tailOf(known), EDITS_MAX),
      );
    }
    // A short name is a few letters away from everything.
    if (edits <= Math.min(EDITS_MAX, Math.floor(wantedTail.length / 3))) scored.push({ id: model.id, edits });
  }
  scored.sort((a, b) => a.edits - b.edits || (a.id < b.id ? -1 : 1));
  return scored.slice(0, SUGGESTIONS_MAX).map(({ id }) => id);
}

function tailOf(id: string): string {
  return id.slice(id.lastIndexOf("/") + 1);
}

/** How many letters must be put in, taken out or changed to turn `a` into `b` (Levenshtein); `max + 1` as soon as it is more than `max`. */
function editDistance(a: string, b: string, max: number): number {
  if (a === b) return 0;
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    let least = row;
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const cost = Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      current.push(cost);
      least = Math.min(least, cost);
    }
    if (least > max) return max + 1;
    previous = current;
  }
  return Math.min(previous[b.length] ?? max + 1, max + 1);
}
