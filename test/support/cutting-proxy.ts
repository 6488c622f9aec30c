import { createServer, connect as dial, type Socket } from "node:net";

/** A proxy of bytes between a caller and a door: it knows nothing of what they say. */
export interface CuttingProxy {
  readonly port: number;
  /** From now on answers are kept back; requests go through. */
  holdAnswers(): void;
  /** Resets every connection, as a network that fails does. What was kept back is gone. Connections that come later are whole. */
  cut(): void;
  close(): Promise<void>;
}

/** Opens one before the port of a door. */
export async function openCuttingProxy(target: number): Promise<CuttingProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isHolding = false;
  const server = createServer((caller) => {
    const door = dial(target, "127.0.0.1");
    const pair = [caller, door] as const;
    pairs.add(pair);
    caller.on("data", (bytes) => door.write(bytes));
    door.on("data", (bytes) => {
      if (!isHolding) caller.write(bytes);
    });
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const cut = (): void => {
    isHolding = false;
    for (const pair of pairs) for (const socket of pair) socket.resetAndDestroy();
  };
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    holdAnswers() {
      isHolding = true;
    },
    cut,
    close() {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
