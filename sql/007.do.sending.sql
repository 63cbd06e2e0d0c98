-- Sending in full: a client's own reference, a time to send at, what a message
-- refers to, and keys by which a repeated request is known as a repeat.

ALTER TABLE messages
    ADD client_ref   text,
    ADD scheduled_at timestamptz,
    ADD media_id     uuid,          -- what is sent or came with it
    ADD quoted_id    text,          -- WhatsApp id of the message this answers
    ADD target_id    text,          -- of the one a reaction, edit or deletion means
    ADD played_at    timestamptz,
    ADD edited_at    timestamptz,
    ADD deleted_at   timestamptz;
CREATE INDEX messages_client_ref_idx ON messages (user_id, client_ref)
    WHERE client_ref IS NOT NULL;
CREATE INDEX messages_chat_idx ON messages (user_id, chat, created_at DESC, id DESC);
CREATE INDEX messages_scheduled_idx ON messages (scheduled_at)
    WHERE status = 'scheduled';

-- Idempotency-Key: what a user's request was, and its answer once there is one.
-- A message's row stands with the message in one transaction.
CREATE TABLE idempotency_keys (
    user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    key         text NOT NULL,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    message_id  uuid,               -- the message that the request made
    status      smallint,           -- of the answer; NULL: not answered yet
    location    text,
    answer      bytea,              -- sealed; NULL: made again from the message
    lease_until timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_created_idx ON idempotency_keys (created_at);
