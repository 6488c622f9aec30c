import type { Change, Proposal } from "./propose.ts";

/** A proposal for people: a line a change, `+` for a new model, `-` for one that goes, `~` for one that changes, and `!` for what must be confirmed. */
export function describeProposal({ changes, leftOut }: Proposal): string {
  const guarded = changes.filter(({ guards }) => guards.length > 0);
  const count = (isCounted: (change: Change) => boolean): number => changes.filter(isCounted).length;
  return [
    ...changes.flatMap(describeChange),
    "",
    `${count(({ before }) => before === undefined)} new, ${count(({ after }) => after === undefined)} gone, ` +
      `${count(({ before, after }) => before !== undefined && after !== undefined)} changed; ` +
      `${guarded.length} must be confirmed. ${leftOut.length} models of our providers are left out.`,
    "",
  ].join("\n");
}

function describeChange({ id, before, after, differences, guards }: Change): readonly string[] {
  const mark = before === undefined ? "+" : after === undefined ? "-" : "~";
  const price = after?.hosting?.listPrice;
  const cost = price === undefined ? "not sold" : `${price.input} in, ${price.output} out`;
  const facts =
    before === undefined
      ? [`${after?.displayName ?? ""}, ${cost}, at ${Object.keys(after?.ids ?? {}).join(", ")}`]
      : differences;
  return [
    `${mark} ${id}${facts.length === 0 ? "" : `: ${facts.join("; ")}`}`,
    ...guards.map((guard) => `  ! ${guard}`),
  ];
}
