-- One-click connects, from their beginning until a day after their end. `sealed` holds the PKCE verifier until the connect is claimed or its time is over.
CREATE TABLE openrouter_connect (
  account          TEXT NOT NULL,
  connect_id       TEXT NOT NULL,
  state            TEXT NOT NULL CHECK (state IN ('OPEN', 'CLAIMED', 'COMPLETED', 'REFUSED', 'LOST')),
  begin_ms         INTEGER NOT NULL,
  expire_ms        INTEGER NOT NULL,
  claim_ms         INTEGER,
  data_key_id      TEXT NOT NULL,
  data_key_version INTEGER NOT NULL,
  sealed           BLOB,
  -- The request that began it, so that its stored answer goes when the connect goes.
  request_caller   TEXT,
  request_method   TEXT,
  request_id       TEXT,
  PRIMARY KEY (account, connect_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX openrouter_connect_by_end ON openrouter_connect (expire_ms);
CREATE INDEX openrouter_connect_with_verifier ON openrouter_connect (expire_ms) WHERE sealed IS NOT NULL;
