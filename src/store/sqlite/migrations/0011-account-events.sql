-- How the account's credits stood when its watchers were last told.
ALTER TABLE pool ADD COLUMN credit_level TEXT NOT NULL DEFAULT 'ENOUGH' CHECK (credit_level IN ('ENOUGH', 'LOW', 'EXHAUSTED'));

-- What happened to accounts, for those who watch them. Written in the transaction of what caused it, kept for some days. No number is given twice.
CREATE TABLE account_event (
  seq            INTEGER PRIMARY KEY AUTOINCREMENT,
  time_ms        INTEGER NOT NULL,
  account        TEXT NOT NULL,
  kind           TEXT NOT NULL CHECK (kind IN ('CREDITS_LOW', 'CREDITS_EXHAUSTED', 'CREDITS_RESTORED', 'KEY_STATE_CHANGED')),
  available_nano INTEGER,
  held_nano      INTEGER,
  overdraft_nano INTEGER,
  key_id         TEXT,
  provider       TEXT,
  key_version    INTEGER,
  old_state      TEXT,
  new_state      TEXT,
  state_reason   TEXT,
  state_until_ms INTEGER,
  CHECK ((kind = 'KEY_STATE_CHANGED') = (key_id IS NOT NULL)),
  CHECK ((kind = 'KEY_STATE_CHANGED') = (available_nano IS NULL))
) STRICT;

-- The number of the newest event that was forgotten: who goes on from before it is told so.
CREATE TABLE account_event_base (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL
) STRICT;
INSERT INTO account_event_base (one, seq) VALUES (1, 0);
