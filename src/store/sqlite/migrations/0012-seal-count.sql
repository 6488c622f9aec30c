-- How many stored records each data key has sealed: counted in the transaction that stores a record. At 2^32 the service rotates the key.
ALTER TABLE data_key ADD COLUMN seal_count INTEGER NOT NULL DEFAULT 0 CHECK (seal_count >= 0);

-- What was sealed before it was counted: at most every version that the account ever had of its keys, for each of its data keys.
UPDATE data_key SET seal_count =
  (SELECT coalesce(sum(v.last_version), 0) FROM key_version v WHERE v.account = data_key.account)
  WHERE data_key_id = 'records';

-- Finds the data keys that have sealed enough, of which there are none.
CREATE INDEX data_key_worn ON data_key (account) WHERE seal_count >= 4294967296;
