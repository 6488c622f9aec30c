-- One row an installation: what must be the same for as long as its data lives.
CREATE TABLE installation (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Every mutation, release and denial, in one hash chain a writer. The only writer of a SQLite database is named "sqlite".
CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  writer  TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  kind    TEXT NOT NULL,
  caller  TEXT NOT NULL,
  actor   TEXT NOT NULL,
  account TEXT NOT NULL,
  subject TEXT NOT NULL,
  details TEXT NOT NULL,
  hash    BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Answers that a repeated request id gets again. Kept as long as what the request made.
CREATE TABLE request (
  caller       TEXT NOT NULL,
  method       TEXT NOT NULL,
  account      TEXT NOT NULL,
  request_id   TEXT NOT NULL,
  field_hashes TEXT NOT NULL,
  answer       TEXT NOT NULL,
  create_ms    INTEGER NOT NULL,
  PRIMARY KEY (account, caller, method, request_id)
) STRICT, WITHOUT ROWID;

-- Data keys, wrapped by a KMS key.
CREATE TABLE data_key (
  account          TEXT NOT NULL,
  data_key_id      TEXT NOT NULL,
  data_key_version INTEGER NOT NULL CHECK (data_key_version >= 1),
  kms_key_arn      TEXT NOT NULL,
  wrapped          BLOB NOT NULL CHECK (length(wrapped) BETWEEN 1 AND 6144),
  create_ms        INTEGER NOT NULL,
  PRIMARY KEY (account, data_key_id, data_key_version)
) STRICT, WITHOUT ROWID;

-- How many key versions an account has used up for a provider: a version is never used twice, not even after a removal.
CREATE TABLE key_version (
  account      TEXT NOT NULL,
  provider     TEXT NOT NULL,
  last_version INTEGER NOT NULL CHECK (last_version >= 1),
  PRIMARY KEY (account, provider)
) STRICT, WITHOUT ROWID;

-- Users' and the platform's provider keys, sealed.
CREATE TABLE provider_key (
  account          TEXT NOT NULL,
  key_id           TEXT NOT NULL,
  provider         TEXT NOT NULL,
  version          INTEGER NOT NULL CHECK (version >= 1),
  revision         INTEGER NOT NULL CHECK (revision >= 1),
  source           TEXT NOT NULL,
  state            TEXT NOT NULL,
  state_reason     TEXT NOT NULL,
  state_until_ms   INTEGER,
  limit_usd_nano   INTEGER,
  remaining_usd_nano INTEGER,
  limit_expire_ms  INTEGER,
  create_ms        INTEGER NOT NULL,
  verify_ms        INTEGER,
  last_used_ms     INTEGER,
  data_key_id      TEXT NOT NULL,
  data_key_version INTEGER NOT NULL,
  sealed           BLOB NOT NULL,
  PRIMARY KEY (account, key_id)
) STRICT, WITHOUT ROWID;

-- Which agent runs on which host.
CREATE TABLE placement (
  account    TEXT NOT NULL,
  agent      TEXT NOT NULL,
  host       TEXT NOT NULL,
  generation INTEGER NOT NULL CHECK (generation >= 1),
  expire_ms  INTEGER NOT NULL,
  PRIMARY KEY (account, agent)
) STRICT, WITHOUT ROWID;

-- Every route that was released, in the order of release. Usage is recorded against it, however late.
CREATE TABLE route (
  seq             INTEGER PRIMARY KEY,
  route_id        TEXT NOT NULL UNIQUE,
  account         TEXT NOT NULL,
  agent           TEXT NOT NULL,
  host            TEXT NOT NULL,
  call_id         TEXT NOT NULL,
  payer           TEXT NOT NULL CHECK (payer IN ('BYOK', 'HOSTED')),
  provider        TEXT NOT NULL,
  model           TEXT NOT NULL,
  upstream_model  TEXT NOT NULL,
  canonical_model TEXT NOT NULL,
  key_account     TEXT NOT NULL,
  key_id          TEXT NOT NULL,
  key_version     INTEGER NOT NULL,
  price_version   INTEGER NOT NULL,
  hold_id         TEXT,
  create_ms       INTEGER NOT NULL,
  reuse_until_ms  INTEGER NOT NULL
) STRICT;
