-- The highest version of each data key of an account that was destroyed: a version is never used twice, so that nothing sealed under a
-- destroyed key can ever meet a key of its number again.
CREATE TABLE data_key_destroyed (
  account      TEXT NOT NULL,
  data_key_id  TEXT NOT NULL,
  last_version INTEGER NOT NULL CHECK (last_version >= 1),
  PRIMARY KEY (account, data_key_id)
) STRICT, WITHOUT ROWID;

-- What each account's sealed keys must be, under a MAC of the account's data key: a row put back, moved or deleted behind the service's back
-- differs from it. `removed` names keys that were removed since; a removal must work without KMS, hence without a MAC, and can only take away.
CREATE TABLE vault_head (
  account          TEXT PRIMARY KEY,
  epoch            INTEGER NOT NULL CHECK (epoch >= 1),
  data_key_version INTEGER NOT NULL CHECK (data_key_version >= 1),
  entries          TEXT NOT NULL,
  removed          TEXT NOT NULL,
  mac              BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT, WITHOUT ROWID;

-- Finds the few heads that do not contain a removal yet.
CREATE INDEX vault_head_to_fold ON vault_head (account) WHERE removed <> '[]';

-- Accounts whose data key was rotated and whose records are not all sealed under the new one yet.
CREATE TABLE rotation (
  account TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Finds the last epoch of an account's head that the audit chain vouches for.
CREATE INDEX audit_by_head ON audit (account, seq)
  WHERE kind IN ('key.connected', 'account.key-resealed', 'account.head-renewed', 'account.shredded');

-- Finds the data keys that an old KMS key still wraps.
CREATE INDEX data_key_by_kms_key ON data_key (kms_key_arn);
