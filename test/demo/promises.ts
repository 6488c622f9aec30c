import { hostedFromOnePool } from "./acts/r01-one-pool.ts";
import { listedProviders } from "./acts/r02-providers.ts";
import { oneClickConnects } from "./acts/r03-one-click.ts";
import { pastedKeysAreChecked } from "./acts/r04-paste.ts";
import { keysNeverShow } from "./acts/r05-never-shown.ts";
import { removedKeyFallsBack } from "./acts/r06-remove.ts";
import { keyDecidesRoute } from "./acts/r07-name-decides.ts";
import { anyModelMayBePicked } from "./acts/r08-any-model.ts";
import { ownKeyCostsNothing } from "./acts/r09-zero-credits.ts";
import { computeAndDiskCost } from "./acts/r10-compute-and-disk.ts";
import type { Stage } from "./stage.ts";

/** What the product promises its users, and the act that shows it. An act throws when the promise does not hold. */
export interface Promised {
  readonly id: `R${number}`;
  readonly text: string;
  act(stage: Stage): Promise<void>;
}

/** In the order of the story: each act finds the stage as those before it left it. */
export const PROMISES: readonly Promised[] = [
  {
    id: "R1",
    text: "Without a key, everything draws from the account's one pool of credits",
    act: hostedFromOnePool,
  },
  {
    id: "R2",
    text: "Six providers; a native Anthropic key is refused with the advice to use an OpenRouter key for Claude",
    act: listedProviders,
  },
  {
    id: "R3",
    text: "OpenRouter by one click: approved on its site, minted there, sealed here, and never in a browser",
    act: oneClickConnects,
  },
  {
    id: "R4",
    text: "A pasted key is validated while it is being saved; a dead or mistyped one is caught and not stored",
    act: pastedKeysAreChecked,
  },
  {
    id: "R5",
    text: "Saved keys are encrypted at rest and never shown again, to anyone",
    act: keysNeverShow,
  },
  {
    id: "R7",
    text: "The model's name decides: a native key, else the OpenRouter key, else hosted credits",
    act: keyDecidesRoute,
  },
  {
    id: "R9",
    text: "Model usage on the user's key costs zero credits, with no markup",
    act: ownKeyCostsNothing,
  },
  {
    id: "R10",
    text: "Compute and disk always cost credits, whoever pays for the model",
    act: computeAndDiskCost,
  },
  {
    id: "R8",
    text: "The picker lists hosted models and, once a key exists, that provider's own; any model id may be pasted",
    act: anyModelMayBePicked,
  },
  {
    id: "R6",
    text: "A key can be removed at any time: the next route falls back to hosted credits",
    act: removedKeyFallsBack,
  },
];
