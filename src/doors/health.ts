import { HealthCheckResponse_ServingStatus as ServingStatus } from "../gen/health/v1/health_pb.ts";

/** Whether this process can serve. Must be cheap: it is asked once a second for each watcher. */
export interface Readiness {
  /** Why it cannot serve now, in words for an operator, without anything secret. Empty: it can. */
  reasons(): readonly string[];
}

const POLL_EVERY_MS = 1_000;

/** The state behind grpc.health.v1 and `/readyz`. */
export class Health {
  readonly #readiness: Readiness;
  readonly #services: ReadonlySet<string>;
  #isDraining = false;
  readonly #wakers = new Set<() => void>();

  /** `services`: full names that may be asked for, besides "" for the whole process. */
  constructor(readiness: Readiness, services: Iterable<string>) {
    this.#readiness = readiness;
    this.#services = new Set(services);
  }

  /** Why the process is not ready. Empty: it is. */
  reasons(): readonly string[] {
    return this.#isDraining ? ["draining", ...this.#readiness.reasons()] : this.#readiness.reasons();
  }

  /** The status of a service, all of which share the process's fate. SERVICE_UNKNOWN for a name that is not served. */
  status(service: string): ServingStatus {
    if (service !== "" && !this.#services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.reasons().length === 0 ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  /** Every service's status by its name, "" included. */
  list(): Record<string, { status: ServingStatus }> {
    return Object.fromEntries(["", ...this.#services].map((service) => [service, { status: this.status(service) }]));
  }

  /** NOT_SERVING from now on. */
  drain(): void {
    this.#isDraining = true;
    for (const wake of this.#wakers) wake();
  }

  /** The status now and whenever it changes, until `signal` aborts. */
  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ServingStatus, void, undefined> {
    let last: ServingStatus | undefined;
    while (!signal.aborted) {
      const status = this.status(service);
      if (status !== last) {
        last = status;
        yield status;
        // It may have changed while the consumer was busy.
        continue;
      }
      await this.#nextLook(signal);
    }
  }

  #nextLook(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, POLL_EVERY_MS).unref();
      this.#wakers.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
