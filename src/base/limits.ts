/** Every bound that the API promises, in one place. Units are in the names. */
export const LIMITS = {
  idMaxChars: 128,
  modelMaxChars: 256,
  secretMaxChars: 512,
  actorMaxChars: 256,
  providerRequestIdMaxChars: 256,
  /** Largest request that a door reads. */
  requestMaxBytes: 1024 * 1024,
  usageRecordsMax: 500,
  placementsMax: 500,
  placementsPageMax: 500,
  placementsPageDefault: 100,
  /** Placements that one page of a list looks at. */
  placementsScannedMax: 5_000,
  policyPinsMax: 100,
  priceItemsMax: 5_000,
  labelsMax: 16,
  labelNameMaxChars: 63,
  labelValueMaxChars: 128,
  modelsPageMax: 500,
  modelsPageDefault: 100,
  /** Models that one page of a filtered list of models decides about. */
  modelsScannedMax: 2_000,
  /** The longest list that a provider is believed, in models and in bytes. */
  modelListMax: 5_000,
  modelListMaxBytes: 8 * 1024 * 1024,
  modelListPagesMax: 20,
  keysPageMax: 100,
  keysPageDefault: 50,
  auditPageMax: 500,
  auditPageDefault: 50,
  chargesPageMax: 500,
  chargesPageDefault: 50,
  balanceGrantsMax: 100,
  placementMaxMs: 24 * 3_600_000,
  occurPastMaxMs: 35 * 86_400_000,
  occurFutureMaxMs: 5 * 60_000,
  /** The most tokens or milliseconds in one record: 10^15 is refused as a slip. Far above anything real, far below 64 bits. */
  quantityMax: 999_999_999_999_999n,
  /** The most tokens in an estimate, where a caller may well mean "without a bound": the model's own holds then. */
  estimateTokensMax: 1_000_000_000_000_000n,
  /** The most byte-seconds in one record: 9·10^18, a hundred TiB for a day; 64 bits hold no more. */
  byteSecondsMax: 9_000_000_000_000_000_000n,
  byokReuseMs: 5 * 60_000,
  /** How far behind a host's clock may be before it uses a lease that has ended. */
  leaseSkewMs: 60_000,
  /** How long a stream of revocations is silent at most. */
  revocationsHeartbeatMs: 5_000,
  /** Revocations in one message. */
  revocationsPerMessageMax: 500,
  blockReasonMaxChars: 256,
  identityBlocksPageMax: 500,
  identityBlocksPageDefault: 50,
  holdMs: 15 * 60_000,
  /** However often it is extended. */
  holdLifeMaxMs: 4 * 3_600_000,
  differencesMax: 100,
  /** Charges in one message of an export. */
  exportPageCharges: 200,
  /** Charges that one page of a filtered list looks at. */
  chargesScannedMax: 5_000,
  summaryGroupsMax: 5_000,
  summaryRangeMaxMs: 400 * 86_400_000,
  summaryRangeDefaultMs: 31 * 86_400_000,
  grantsPageMax: 500,
  grantsPageDefault: 50,
  openHoldsPerAccountMax: 1_000,
  openHoldsPerHostMax: 10_000,
  /** How long a watcher hears nothing at most. */
  watchHeartbeatMs: 5_000,
  watchedAccountsMax: 500,
  /** Events about accounts in one message. */
  eventsPageMax: 200,
  eventsKeptMs: 7 * 86_400_000,
  eventsKeptMax: 100_000,
  /** Characters of a list of accounts in an error's metadata: gRPC clients refuse trailers beyond 8 KiB. */
  namedAccountsMaxChars: 2_500,
  /** A deadline of ours for callers that name none. */
  defaultDeadlineMs: 30_000,
} as const;
