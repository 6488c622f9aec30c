/** The HTTP status with which KMS sends each error (the SDK's schema; the unmodelled ones as observed). */
const HTTP_STATUS: Readonly<Record<string, number>> = {
  DisabledException: 409,
  KMSInvalidStateException: 409,
  NotFoundException: 404,
  KeyUnavailableException: 500,
  KMSInternalException: 500,
  DependencyTimeoutException: 503,
  DryRunOperationException: 412,
};

/** An error as KMS answers it: its type, and a text. Everything that is not in the table above is a 400. */
export class DevelopmentKmsError extends Error {
  override readonly name: string;
  readonly httpStatus: number;

  constructor(name: string, message = name) {
    super(message);
    this.name = name;
    this.httpStatus = HTTP_STATUS[name] ?? 400;
  }
}
