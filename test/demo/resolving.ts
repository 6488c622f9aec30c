import { expectSame, present } from "./expectation.ts";
import { AGENT, HOST, type Stage } from "./stage.ts";

const MODEL = "anthropic/claude-opus-4.8";
const CALL_MAX_MS = 10_000;

/** A host that asks for routes without a pause. */
export interface Resolving {
  /** Resolves when so many further routes came. Rejects as soon as one did not. */
  more(count: number): Promise<void>;
  /** How many routes came since the beginning. */
  routes(): number;
  /** Ends it. Rejects when a route did not come. */
  stop(): Promise<void>;
}

/**
 * Resolves for each account's agent, one call after the other and all accounts at once, and expects the same credential every time. Before each call the
 * account's data key is evicted, so that what serves is what KMS opens at that moment, not what memory holds.
 */
export function startResolving(stage: Stage, accounts: readonly string[]): Resolving {
  const { router } = stage.as(HOST);
  const { keyVault } = stage.as("admin");
  const options = { timeoutMs: CALL_MAX_MS };
  let routes = 0;
  let isRunning = true;
  let waiting: { readonly atRoutes: number; readonly reached: () => void } | undefined;

  async function resolveFor(account: string): Promise<void> {
    let first: Buffer | undefined;
    for (let call = 0; isRunning; call += 1) {
      await keyVault.evictDataKeys({ account }, options);
      const request = { account, agent: AGENT, model: MODEL, callId: `load-${call}` };
      const { route } = await router.resolveRoute(request, options);
      const credential = Buffer.from(present(route, "the route").credential);
      first ??= credential;
      expectSame(`whether ${account}'s credential is the same as before`, credential.equals(first), true);
      routes += 1;
      if (waiting !== undefined && routes >= waiting.atRoutes) waiting.reached();
    }
  }

  const running = Promise.all(accounts.map(resolveFor)).finally(() => {
    isRunning = false;
  });
  running.catch(() => {});
  return {
    async more(count) {
      const reached = new Promise<void>((resolve) => {
        waiting = { atRoutes: routes + count, reached: resolve };
      });
      await Promise.race([reached, running]);
    },
    routes: () => routes,
    async stop() {
      isRunning = false;
      await running;
    },
  };
}
