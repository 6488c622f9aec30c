-- The audit is searched by segments of 4096 records. An index of its own for each column would cost every release a page of random writes; a posting says only
-- that a segment holds a term, is written once a segment, and always near the end. Terms: "a/" account, "c/" last part of the caller's id, "k/" kind.
CREATE TABLE audit_posting (
  segment INTEGER NOT NULL,
  term    TEXT NOT NULL,
  PRIMARY KEY (segment, term)
) STRICT, WITHOUT ROWID;

-- One row a segment. The times are known once the segment is full. `first_route_seq`: the newest route when the segment began, itself perhaps of it.
CREATE TABLE audit_segment (
  segment         INTEGER PRIMARY KEY,
  first_route_seq INTEGER NOT NULL,
  min_time_ms     INTEGER,
  max_time_ms     INTEGER
) STRICT;

-- Signed checkpoints of the chain: C2SP signed notes.
CREATE TABLE audit_checkpoint (
  size    INTEGER PRIMARY KEY,
  note    TEXT NOT NULL,
  time_ms INTEGER NOT NULL
) STRICT;

-- The keys that checkpoints are signed with, sealed.
CREATE TABLE audit_signing_key (
  version          INTEGER PRIMARY KEY,
  data_key_id      TEXT NOT NULL,
  data_key_version INTEGER NOT NULL,
  sealed           BLOB NOT NULL,
  create_ms        INTEGER NOT NULL
) STRICT;

-- One row: up to which record the audit was exported without a gap, and up to which it was pruned.
CREATE TABLE audit_state (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  exported_seq INTEGER NOT NULL,
  base_seq     INTEGER NOT NULL,
  base_hash    BLOB NOT NULL CHECK (length(base_hash) = 32)
) STRICT;
INSERT INTO audit_state (one, exported_seq, base_seq, base_hash) VALUES (1, 0, 0, zeroblob(32));

-- Keyed fingerprints of every secret that was ever connected, kept after the key is gone, so that a leaked one is recognised.
CREATE TABLE key_fingerprint (
  fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
  account     TEXT NOT NULL,
  key_id      TEXT NOT NULL,
  version     INTEGER NOT NULL,
  provider    TEXT NOT NULL,
  connect_ms  INTEGER NOT NULL,
  PRIMARY KEY (fingerprint, account, key_id, version)
) STRICT, WITHOUT ROWID;

-- What was recorded before.
INSERT INTO audit_posting (term, segment)
  SELECT 'a/' || account, (seq - 1) / 4096 FROM audit WHERE account <> ''
  UNION SELECT 'c/' || replace(caller, rtrim(caller, replace(caller, '/', '')), ''), (seq - 1) / 4096 FROM audit
  UNION SELECT 'k/' || kind, (seq - 1) / 4096 FROM audit;
WITH part AS (
  SELECT (audit.seq - 1) / 4096 AS segment, max(audit.seq) % 4096 = 0 AS is_full, min(time_ms) AS min_time_ms, max(time_ms) AS max_time_ms,
    max(route.seq) AS newest_route
  FROM audit LEFT JOIN route ON kind = 'credential.released' AND route_id = substr(subject, length('routes/') + 1)
  GROUP BY 1
)
INSERT INTO audit_segment (segment, first_route_seq, min_time_ms, max_time_ms)
  SELECT segment, coalesce(max(newest_route) OVER (ORDER BY segment ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0),
    iif(is_full, min_time_ms, NULL), iif(is_full, max_time_ms, NULL)
  FROM part;
