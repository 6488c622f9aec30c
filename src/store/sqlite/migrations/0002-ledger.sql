-- An account's credits in nano-credits (10^-9 credit), and how far its charges and transfers have come.
CREATE TABLE pool (
  account           TEXT PRIMARY KEY,
  granted_nano      INTEGER NOT NULL CHECK (granted_nano >= 0),
  held_nano         INTEGER NOT NULL CHECK (held_nano >= 0),
  spent_nano        INTEGER NOT NULL CHECK (spent_nano >= 0),
  expired_nano      INTEGER NOT NULL CHECK (expired_nano >= 0),
  overdraft_nano    INTEGER NOT NULL CHECK (overdraft_nano >= 0),
  charge_sequence   INTEGER NOT NULL CHECK (charge_sequence >= 0),
  transfer_sequence INTEGER NOT NULL CHECK (transfer_sequence >= 0),
  record_ms         INTEGER NOT NULL,
  due_ms            INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX pool_due ON pool (due_ms) WHERE due_ms IS NOT NULL;

-- Credits given to an account.
CREATE TABLE credit_grant (
  account        TEXT NOT NULL,
  grant_id       TEXT NOT NULL,
  amount_nano    INTEGER NOT NULL CHECK (amount_nano > 0),
  remaining_nano INTEGER NOT NULL CHECK (remaining_nano BETWEEN 0 AND amount_nano),
  pinned_nano    INTEGER NOT NULL CHECK (pinned_nano BETWEEN 0 AND remaining_nano),
  priority       INTEGER NOT NULL,
  category       TEXT NOT NULL CHECK (category IN ('PAID', 'PROMOTIONAL')),
  effective_ms   INTEGER NOT NULL,
  expire_ms      INTEGER,
  create_ms      INTEGER NOT NULL,
  PRIMARY KEY (account, grant_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX credit_grant_unspent ON credit_grant (account) WHERE remaining_nano > 0;

-- Credits set aside for hosted calls. Kept after they end: a call settles once, however late.
CREATE TABLE hold (
  account                 TEXT NOT NULL,
  hold_id                 TEXT NOT NULL,
  host                    TEXT NOT NULL,
  agent                   TEXT NOT NULL,
  call_id                 TEXT NOT NULL,
  route_id                TEXT NOT NULL,
  model                   TEXT NOT NULL,
  price_version           INTEGER NOT NULL,
  input_tokens            INTEGER NOT NULL CHECK (input_tokens >= 0),
  requested_output_tokens INTEGER NOT NULL CHECK (requested_output_tokens >= 0),
  max_output_tokens       INTEGER NOT NULL CHECK (max_output_tokens BETWEEN 0 AND requested_output_tokens),
  amount_nano             INTEGER NOT NULL CHECK (amount_nano >= 0),
  pins                    TEXT NOT NULL,
  create_ms               INTEGER NOT NULL,
  expire_ms               INTEGER NOT NULL,
  state                   TEXT NOT NULL CHECK (state IN ('OPEN', 'CAPTURED', 'EXPIRED')),
  resolve_ms              INTEGER,
  charge_id               TEXT,
  PRIMARY KEY (account, hold_id),
  CHECK ((state = 'OPEN') = (resolve_ms IS NULL)),
  CHECK ((state = 'CAPTURED') = (charge_id IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX hold_call ON hold (account, call_id, hold_id);
CREATE INDEX hold_open_account ON hold (account) WHERE state = 'OPEN';
CREATE INDEX hold_open_host ON hold (host, expire_ms) WHERE state = 'OPEN';

-- What each usage record cost. Rows never change. Clustered by the account's own sequence, whatever ids its callers choose.
CREATE TABLE charge (
  account                TEXT NOT NULL,
  sequence               INTEGER NOT NULL CHECK (sequence >= 1),
  charge_id              TEXT NOT NULL,
  kind                   TEXT NOT NULL CHECK (kind IN ('MODEL_CALL', 'COMPUTE', 'DISK')),
  usage_id               TEXT NOT NULL,
  agent                  TEXT NOT NULL,
  payer                  TEXT NOT NULL CHECK (payer IN ('BYOK', 'HOSTED')),
  amount_nano            INTEGER NOT NULL CHECK (amount_nano >= 0 AND (payer = 'HOSTED' OR amount_nano = 0)),
  list_nano              INTEGER CHECK (list_nano >= 0),
  overdraft_nano         INTEGER NOT NULL CHECK (overdraft_nano BETWEEN 0 AND amount_nano),
  estimated              INTEGER NOT NULL CHECK (estimated IN (0, 1)),
  price_version          INTEGER NOT NULL,
  lines                  TEXT NOT NULL,
  allocations            TEXT NOT NULL,
  provider               TEXT,
  model                  TEXT NOT NULL,
  upstream_model         TEXT NOT NULL,
  route_id               TEXT NOT NULL,
  hold_id                TEXT NOT NULL,
  call_id                TEXT NOT NULL,
  attempt                INTEGER NOT NULL,
  outcome                TEXT,
  key_version            INTEGER NOT NULL,
  provider_cost_usd_nano INTEGER,
  provider_request_id    TEXT NOT NULL,
  record_text            TEXT NOT NULL,
  occur_ms               INTEGER NOT NULL,
  record_ms              INTEGER NOT NULL,
  PRIMARY KEY (account, sequence)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX charge_usage ON charge (account, kind, usage_id);
CREATE UNIQUE INDEX charge_call ON charge (account, call_id, attempt) WHERE call_id <> '';

-- Every movement of credits, one row with both sides.
CREATE TABLE transfer (
  account     TEXT NOT NULL,
  sequence    INTEGER NOT NULL CHECK (sequence >= 1),
  debit       TEXT NOT NULL,
  credit      TEXT NOT NULL CHECK (credit <> debit),
  amount_nano INTEGER NOT NULL CHECK (amount_nano > 0),
  code        TEXT NOT NULL CHECK (code IN ('GRANT', 'USAGE', 'REPAYMENT', 'EXPIRY')),
  cause_id    TEXT NOT NULL,
  book_ms     INTEGER NOT NULL,
  PRIMARY KEY (account, sequence)
) STRICT, WITHOUT ROWID;

-- Charges summed up by the hour in which usage happened.
CREATE TABLE rollup (
  account        TEXT NOT NULL,
  hour           INTEGER NOT NULL,
  agent          TEXT NOT NULL,
  kind           TEXT NOT NULL,
  payer          TEXT NOT NULL,
  provider       TEXT NOT NULL,
  model          TEXT NOT NULL,
  charges        INTEGER NOT NULL,
  amount_nano    INTEGER NOT NULL,
  list_nano      INTEGER NOT NULL,
  input_uncached INTEGER NOT NULL,
  cache_read     INTEGER NOT NULL,
  cache_write    INTEGER NOT NULL,
  output         INTEGER NOT NULL,
  reasoning      INTEGER NOT NULL,
  vcpu           INTEGER NOT NULL,
  memory         INTEGER NOT NULL,
  disk           INTEGER NOT NULL,
  PRIMARY KEY (account, hour, agent, kind, payer, provider, model)
) STRICT, WITHOUT ROWID;

-- Published price versions, each complete. Rows never change.
CREATE TABLE price_version (
  version      INTEGER PRIMARY KEY CHECK (version >= 1),
  content_hash TEXT NOT NULL,
  effective_ms INTEGER NOT NULL,
  publish_ms   INTEGER NOT NULL,
  item_count   INTEGER NOT NULL
) STRICT;

CREATE TABLE price_item (
  version          INTEGER NOT NULL,
  component        TEXT NOT NULL,
  provider         TEXT NOT NULL,
  model            TEXT NOT NULL,
  min_input_tokens INTEGER NOT NULL CHECK (min_input_tokens >= 0),
  price_pico       INTEGER NOT NULL CHECK (price_pico >= 0),
  unit_count       INTEGER NOT NULL CHECK (unit_count >= 1),
  PRIMARY KEY (version, component, provider, model, min_input_tokens)
) STRICT, WITHOUT ROWID;
