--! breaking-change: charges may be negative (reversals) and go by their sequence alone, which older binaries would misread.

-- What was taken back, and the digest of the account's newest charge.
ALTER TABLE pool ADD COLUMN voided_nano INTEGER NOT NULL DEFAULT 0 CHECK (voided_nano >= 0);
ALTER TABLE pool ADD COLUMN charge_digest TEXT NOT NULL DEFAULT '';

ALTER TABLE credit_grant ADD COLUMN void_ms INTEGER;

-- Holds can be released, and one that ran out without a report names the charge that estimates it.
CREATE TABLE hold_in_full (
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
  state                   TEXT NOT NULL CHECK (state IN ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED')),
  resolve_ms              INTEGER,
  charge_sequence         INTEGER,
  used_so_far             TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (account, hold_id),
  CHECK ((state = 'OPEN') = (resolve_ms IS NULL)),
  CHECK (charge_sequence IS NOT NULL OR state <> 'CAPTURED'),
  CHECK (charge_sequence IS NULL OR state IN ('CAPTURED', 'EXPIRED'))
) STRICT, WITHOUT ROWID;

INSERT INTO hold_in_full
  (account, hold_id, host, agent, call_id, route_id, model, price_version, input_tokens, requested_output_tokens, max_output_tokens, amount_nano, pins,
   create_ms, expire_ms, state, resolve_ms, charge_sequence)
SELECT account, hold_id, host, agent, call_id, route_id, model, price_version, input_tokens, requested_output_tokens, max_output_tokens, amount_nano, pins,
  create_ms, expire_ms, state, resolve_ms,
  (SELECT sequence FROM charge WHERE charge.account = hold.account AND charge.charge_id = hold.charge_id)
FROM hold;
DROP TABLE hold;
ALTER TABLE hold_in_full RENAME TO hold;
CREATE INDEX hold_call ON hold (call_id, account, hold_id);
CREATE INDEX hold_open_account ON hold (account) WHERE state = 'OPEN';
CREATE INDEX hold_open_host ON hold (host, expire_ms) WHERE state = 'OPEN';

-- Every movement of credits, one row with both sides. A charge is named by its sequence.
CREATE TABLE transfer_in_full (
  account     TEXT NOT NULL,
  sequence    INTEGER NOT NULL CHECK (sequence >= 1),
  debit       TEXT NOT NULL,
  credit      TEXT NOT NULL CHECK (credit <> debit),
  amount_nano INTEGER NOT NULL CHECK (amount_nano > 0),
  code        TEXT NOT NULL CHECK (code IN ('GRANT', 'USAGE', 'REPAYMENT', 'EXPIRY', 'VOID', 'REVERSAL', 'REPAYMENT_RETURN')),
  cause_id    TEXT NOT NULL,
  book_ms     INTEGER NOT NULL,
  PRIMARY KEY (account, sequence)
) STRICT, WITHOUT ROWID;

INSERT INTO transfer_in_full
SELECT account, sequence, debit, credit, amount_nano, code,
  CASE code WHEN 'USAGE'
    THEN CAST((SELECT charge.sequence FROM charge WHERE charge.account = transfer.account AND charge.charge_id = transfer.cause_id) AS TEXT)
    ELSE cause_id END,
  book_ms
FROM transfer;
DROP TABLE transfer;
ALTER TABLE transfer_in_full RENAME TO transfer;
-- Which grants made overdraft good: a reversal gives it back to them.
CREATE INDEX transfer_repayment ON transfer (account, sequence) WHERE code IN ('REPAYMENT', 'REPAYMENT_RETURN');

-- What each usage record cost, estimates, and reversals with negative amounts. Rows never change; each row's digest covers the one before it.
CREATE TABLE charge_in_full (
  account                TEXT NOT NULL,
  sequence               INTEGER NOT NULL CHECK (sequence >= 1),
  kind                   TEXT NOT NULL CHECK (kind IN ('MODEL_CALL', 'COMPUTE', 'DISK')),
  usage_id               TEXT NOT NULL,
  agent                  TEXT NOT NULL,
  payer                  TEXT NOT NULL CHECK (payer IN ('BYOK', 'HOSTED')),
  amount_nano            INTEGER NOT NULL,
  list_nano              INTEGER,
  overdraft_nano         INTEGER NOT NULL,
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
  reverses               INTEGER NOT NULL CHECK (reverses >= 0 AND reverses < sequence),
  digest                 TEXT NOT NULL,
  PRIMARY KEY (account, sequence),
  CHECK (payer = 'HOSTED' OR amount_nano = 0),
  CHECK (CASE WHEN reverses = 0
    THEN amount_nano >= 0 AND overdraft_nano BETWEEN 0 AND amount_nano AND coalesce(list_nano, 0) >= 0
    ELSE amount_nano <= 0 AND overdraft_nano BETWEEN amount_nano AND 0 AND coalesce(list_nano, 0) <= 0 END)
) STRICT, WITHOUT ROWID;

INSERT INTO charge_in_full
SELECT account, sequence, kind, usage_id, agent, payer, amount_nano, list_nano, overdraft_nano, estimated, price_version, lines, allocations, provider,
  model, upstream_model, route_id, hold_id, call_id, attempt, outcome, key_version, provider_cost_usd_nano, provider_request_id, record_text, occur_ms,
  record_ms, 0, ''
FROM charge;
DROP TABLE charge;
ALTER TABLE charge_in_full RENAME TO charge;
-- The ledger's own charges (estimates and reversals) have no usage id, and no attempt. The callers' ids come first, since they are advised to be
-- time-ordered: then new entries of all accounts stand together on the index's last page, where the account first would spread them over as many pages.
CREATE UNIQUE INDEX charge_usage ON charge (usage_id, account, kind) WHERE usage_id <> '';
CREATE UNIQUE INDEX charge_call ON charge (call_id, account, attempt) WHERE attempt > 0;
CREATE UNIQUE INDEX charge_reversal ON charge (account, reverses) WHERE reverses > 0;

-- Prices that were proposed. A draft is published at most once.
CREATE TABLE price_draft (
  draft_id     TEXT PRIMARY KEY,
  prices       TEXT NOT NULL,
  create_ms    INTEGER NOT NULL,
  version      INTEGER
) STRICT, WITHOUT ROWID;

-- A day's hosted calls over all accounts, for comparison with the provider's bill.
CREATE INDEX rollup_hosted_hour ON rollup (hour, provider) WHERE payer = 'HOSTED' AND kind = 'MODEL_CALL';
