-- Leases that must no longer be used: a row for each host that may hold one, written together with its cause. Numbers are never used twice, since hosts
-- name the last one that they heard of. Kept for as long as a lease can live.
CREATE TABLE revocation (
  seq         INTEGER PRIMARY KEY AUTOINCREMENT,
  host        TEXT NOT NULL,
  account     TEXT NOT NULL,
  agent       TEXT NOT NULL,
  key_id      TEXT NOT NULL,
  key_version INTEGER NOT NULL CHECK (key_version >= 0),
  cause       TEXT NOT NULL,
  time_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX revocation_by_host ON revocation (host, seq);

-- One row: up to which number revocations were forgotten.
CREATE TABLE revocation_base (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  seq      INTEGER NOT NULL
) STRICT;
INSERT INTO revocation_base (only_row, seq) VALUES (1, 0);

-- Identities that are shut out of both doors.
CREATE TABLE identity_block (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  spiffe_id TEXT NOT NULL UNIQUE,
  reason    TEXT NOT NULL,
  create_ms INTEGER NOT NULL
) STRICT;

-- A block ends everything that is placed on its host.
CREATE INDEX placement_by_host_and_end ON placement (host, expire_ms);
