-- How accounts want their calls routed. An account without a row has the default.
CREATE TABLE routing_policy (
  account         TEXT PRIMARY KEY,
  revision        INTEGER NOT NULL CHECK (revision >= 1),
  provider_order  TEXT NOT NULL,
  pins            TEXT NOT NULL,
  on_key_failure  TEXT NOT NULL CHECK (on_key_failure IN ('STOP', 'OTHER_KEYS', 'CREDITS')),
  max_hosted_nano INTEGER CHECK (max_hosted_nano > 0),
  update_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Lists placements by host, and by agent.
CREATE INDEX placement_by_host ON placement (host, account, agent);
CREATE INDEX placement_by_agent ON placement (agent, account);
