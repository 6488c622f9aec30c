/** An answer as it goes onto the wire. A string body is sent as it is, anything else as JSON. */
export interface WireAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): WireAnswer {
  return { status, body, headers: { "content-type": "application/json", ...headers } };
}

export function plainText(status: number, body: string): WireAnswer {
  return { status, body, headers: { "content-type": "text/plain; charset=utf-8" } };
}

export function html(status: number, body: string): WireAnswer {
  return { status, body, headers: { "content-type": "text/html; charset=utf-8" } };
}

/** The bytes of an answer's body. */
export function bodyText(answer: WireAnswer): string {
  return typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
}

/** `value` as a record of unknown fields; empty when it is none. */
export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
