import type { BatchParticipant } from "./write-transaction.ts";

/** What the main thread can wait for. */
export type NewsFeed = "revocations" | "identity-blocks" | "account-events";

/** That something was committed which somebody may wait for: where it can be read, for whom it is, and its number. */
export interface News {
  readonly feed: NewsFeed;
  readonly topic: string;
  readonly seq: bigint;
}

/** Collects what a batch has to tell, and lets go of what was undone. Of several for one topic only the last is told. */
export class NewsDesk implements BatchParticipant {
  #pending = new Map<string, News>();
  #committed = new Map<string, News>();

  /** Takes note of news that hold once the transaction is committed. */
  note(news: News): void {
    this.#pending.set(`${news.feed} ${news.topic}`, news);
  }

  flush(): void {}

  committed(): void {
    if (this.#pending.size === 0) return;
    for (const [name, news] of this.#pending) this.#committed.set(name, news);
    this.#pending = new Map();
  }

  rolledBack(): void {
    this.#pending.clear();
  }

  /** Everything that was committed since the last call; undefined when nothing was. */
  take(): readonly News[] | undefined {
    if (this.#committed.size === 0) return undefined;
    const told = [...this.#committed.values()];
    this.#committed = new Map();
    return told;
  }
}
