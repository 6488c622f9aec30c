import { pino } from "pino";

/** How much is logged. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Facts beside a message. Values are plain; a `Secret` prints as "[secret]". */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log lines. Never hand it a request, a response, or another party's text. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** JSON lines on standard error. Errors are logged under `err` by name, message and stack. */
export function createLog(level: LogLevel): Log {
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ fd: 2, sync: true }),
  );
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
  };
}

/** Says nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
