-- What is due, in one order: a message whose lease is held is due when that ends.
-- A claim reads the head of this index, and passes over none of those that are
-- being attempted.
DROP INDEX outbox_due_idx;
CREATE INDEX outbox_due_idx ON outbox (greatest(next_attempt_at, lease_until), id);
-- Rows come and go: what is dead is in the way of the next claim.
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000);

-- Does it hold an advisory lock as long as it lives? Then its death is seen at
-- once, and its leases are free.
ALTER TABLE workers ADD holds_lock boolean NOT NULL DEFAULT false;
