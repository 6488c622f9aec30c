const KEY_ARN = /^(arn:[a-z-]+:kms:)([a-z0-9-]+)(:[0-9]{12}:key\/)([A-Za-z0-9-]{1,128})$/;

/**
 * The KMS key among `configured` that opens what `storedArn` wrapped: the same ARN, or the replica of the same multi-Region key (same partition,
 * account and `mrk-` id, another Region; AWS KMS developer guide, "Multi-Region keys"). Undefined when there is none. So a service that fails over
 * to another Region is given the replica's ARN and opens everything that the primary wrapped.
 */
export function usableKmsKey(storedArn: string, configured: Iterable<string>): string | undefined {
  let replica: string | undefined;
  for (const arn of configured) {
    if (arn === storedArn) return arn;
    if (isReplica(storedArn, arn)) replica = arn;
  }
  return replica;
}

function isReplica(a: string, b: string): boolean {
  const one = KEY_ARN.exec(a);
  const other = KEY_ARN.exec(b);
  if (one?.[4]?.startsWith("mrk-") !== true || other === null) return false;
  return one[1] === other[1] && one[3] === other[3] && one[4] === other[4];
}
