/** Runs work of the same name one after the other, in the order of asking; work of different names at the same time. */
export interface InTurn {
  run<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/** Nothing waits yet. What is remembered is what runs or waits. */
export function createInTurn(): InTurn {
  const last = new Map<string, Promise<unknown>>();
  return {
    run(name, work) {
      const before = last.get(name);
      const mine = before === undefined ? work() : before.then(work, work);
      last.set(name, mine);
      const forget = (): void => {
        if (last.get(name) === mine) last.delete(name);
      };
      mine.then(forget, forget);
      return mine;
    },
  };
}
