import { expectThat } from "./expectation.ts";
import type { Promised } from "./promises.ts";
import type { Stage } from "./stage.ts";

/** Plays the acts in their order, each at most once. */
export interface Tour {
  /** Plays the act of a promise, and before it those that come first in the story. Rejects when this promise does not hold. */
  keep(id: Promised["id"]): Promise<void>;
}

/** A tour of the promises on one stage. */
export function startTour(promises: readonly Promised[], stage: Stage): Tour {
  const played = new Map<string, Promise<void>>();
  const play = (promised: Promised): Promise<void> => {
    const known = played.get(promised.id);
    if (known !== undefined) return known;
    stage.tell.heading(promised.id, promised.text);
    const act = promised.act(stage);
    played.set(promised.id, act);
    return act;
  };
  return {
    async keep(id) {
      const at = promises.findIndex((promised) => promised.id === id);
      for (const [index, promised] of promises.slice(0, at + 1).entries()) {
        if (index === at) return play(promised);
        // An earlier promise that does not hold is its own caller's to hear of.
        await play(promised).catch(() => {});
      }
      expectThat(false, `there is a promise ${id}`);
    },
  };
}
