DROP INDEX messages_client_ref_idx;
CREATE INDEX messages_client_ref_idx ON messages (user_id, client_ref)
    WHERE client_ref IS NOT NULL;
DROP INDEX messages_kind_idx;
