/** Structured log lines of the client. It never hands over a credential, a provider's text, or a record. */
export interface HostLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Says nothing. */
export const silentHostLog: HostLog = { debug() {}, info() {}, warn() {}, error() {} };
