import { createServer, type ServerResponse } from "node:http";

/** A provider that accepts every key, but answers only when it is told to: calls to us that wait for it are in flight for certain. */
export interface HeldProvider {
  /** For PLORI_PROVIDER_URLS. */
  readonly origin: string;
  /** Resolves when so many requests wait for their answer. */
  whenWaiting(count: number): Promise<void>;
  /** Answers everything that waits, and from now on at once. */
  release(): void;
  close(): Promise<void>;
}

/** Starts one on loopback. */
export async function startHeldProvider(): Promise<HeldProvider> {
  const waiting: ServerResponse[] = [];
  const wakers: (() => void)[] = [];
  let isReleased = false;
  const answer = (response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ object: "list", data: [{ id: "gpt-5.5", object: "model" }] }));
  };
  const server = createServer((_request, response) => {
    if (isReleased) {
      answer(response);
      return;
    }
    waiting.push(response);
    for (const wake of wakers) wake();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    whenWaiting: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (waiting.length >= count) resolve();
        };
        wakers.push(look);
        look();
      }),
    release() {
      isReleased = true;
      for (const response of waiting.splice(0)) answer(response);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
