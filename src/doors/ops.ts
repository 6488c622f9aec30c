import { createServer, type Server } from "node:http";
import type { Log } from "../base/log.ts";
import type { Health } from "./health.ts";

/** The part of a prom-client registry that is served. */
export interface MetricsSource {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/** The ops door: plain HTTP for the machine's own supervisor and scraper. */
export interface OpsDoor {
  readonly port: number;
  close(): Promise<void>;
}

const CONNECTIONS_MAX = 100;
const REQUEST_MAX_MS = 5_000;

/**
 * Opens `/livez` (200 while the process runs), `/readyz` (200, or 503 with one reason a line) and `/metrics` (Prometheus text). GET only. It has no
 * TLS and no identities: keep it on loopback or behind something that has.
 */
export async function openOpsDoor(options: {
  readonly host: string;
  readonly port: number;
  readonly health: Health;
  readonly metrics: MetricsSource;
  readonly log: Log;
}): Promise<OpsDoor> {
  const { health, metrics, log } = options;
  const server = createServer(
    { headersTimeout: REQUEST_MAX_MS, requestTimeout: REQUEST_MAX_MS, maxHeaderSize: 8 * 1024 },
    (request, response) => {
      const say = (status: number, body: string, type = "text/plain; charset=utf-8") => {
        response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
      };
      // A body is not read: whoever sends one is disconnected after the answer.
      if (request.method !== "GET") {
        response.setHeader("allow", "GET");
        response.setHeader("connection", "close");
        say(405, "GET only\n");
        return;
      }
      switch (request.url?.split("?", 1)[0]) {
        case "/livez":
          say(200, "live\n");
          return;
        case "/readyz": {
          const reasons = health.reasons();
          if (reasons.length === 0) say(200, "ready\n");
          else say(503, `${reasons.join("\n")}\n`);
          return;
        }
        case "/metrics":
          metrics.metrics().then(
            (text) => say(200, text, metrics.contentType),
            (err: unknown) => {
              log.error("metrics not collected", { err });
              say(500, "metrics could not be collected\n");
            },
          );
          return;
        default:
          say(404, "/livez, /readyz, /metrics\n");
      }
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, options.host, options.port);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
