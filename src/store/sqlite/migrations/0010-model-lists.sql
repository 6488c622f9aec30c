-- The models that each key may use, as its provider listed them: when they were fetched, when they will be again, and under which digest they stand in
-- `model_list_content` (SHA-256; accounts of one provider mostly have the same list). The account '' holds the lists that a provider tells everybody.
CREATE TABLE model_list (
  account     TEXT NOT NULL,
  key_id      TEXT NOT NULL,
  provider    TEXT NOT NULL,
  key_version INTEGER NOT NULL CHECK (key_version >= 0),
  due_ms      INTEGER NOT NULL,
  failures    INTEGER NOT NULL CHECK (failures >= 0),
  fetched_ms  INTEGER,
  digest      BLOB CHECK (length(digest) = 32),
  PRIMARY KEY (account, key_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX model_list_due ON model_list (due_ms);
-- Finds out whether anybody still has a list.
CREATE INDEX model_list_by_digest ON model_list (digest) WHERE digest IS NOT NULL;

CREATE TABLE model_list_content (
  digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  models TEXT NOT NULL
) STRICT;

-- Lists of keys that were here before are fetched over the day to come. OpenRouter tells everybody the same list, without a key.
INSERT INTO model_list (account, key_id, provider, key_version, due_ms, failures)
  SELECT account, key_id, provider, version, CAST(strftime('%s', 'now') AS INTEGER) * 1000 + abs(random() % 86400000), 0
  FROM provider_key WHERE account <> 'platform' AND provider <> 'openrouter';
INSERT INTO model_list (account, key_id, provider, key_version, due_ms, failures)
  SELECT '', 'openrouter', 'openrouter', 0, 0, 0
  WHERE EXISTS (SELECT 1 FROM provider_key WHERE account <> 'platform' AND provider = 'openrouter');
