-- Who said that a key is in its state, how often in a row, which models are rate limited until when (JSON), which hosts alone may get it
-- (JSON), and when it is probed again. A persisted time of the next probe keeps a restart from probing everything at once.
ALTER TABLE provider_key ADD COLUMN state_from TEXT NOT NULL DEFAULT 'PROBE' CHECK (state_from IN ('PROBE', 'REPORT'));
ALTER TABLE provider_key ADD COLUMN strikes INTEGER NOT NULL DEFAULT 0 CHECK (strikes >= 0);
ALTER TABLE provider_key ADD COLUMN model_limits TEXT NOT NULL DEFAULT '';
ALTER TABLE provider_key ADD COLUMN hosts TEXT NOT NULL DEFAULT '';
ALTER TABLE provider_key ADD COLUMN probe_due_ms INTEGER NOT NULL DEFAULT 0;

-- Keys that were here before are spread over the day to come.
UPDATE provider_key SET probe_due_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000 + abs(random() % 86400000);

CREATE INDEX provider_key_probe_due ON provider_key (probe_due_ms);
