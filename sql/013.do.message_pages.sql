-- Pages of messages by index, whatever they are filtered by: a page of what few
-- messages have, of a user who has a million, must not read all of them.

-- The kinds of a session's messages, each with its newest first; also what the
-- deletion of a session needs.
CREATE INDEX messages_kind_idx ON messages
    (session_id, direction, type, status, created_at DESC, id DESC);

DROP INDEX messages_client_ref_idx;
CREATE INDEX messages_client_ref_idx ON messages
    (user_id, client_ref, created_at DESC, id DESC)
    WHERE client_ref IS NOT NULL;
