-- The first schema: users, keys, sessions, messages, outbox, bridges, workers.
-- Times are timestamptz; ids are UUIDs made by the library (version 7, so that
-- an index on them grows at its end).

CREATE TABLE users (
    id                      uuid PRIMARY KEY,
    username                text NOT NULL,
    email                   text NOT NULL,
    password_hash           text,            -- Argon2id, PHC string; NULL: no password login
    role                    text NOT NULL CHECK (role IN ('admin', 'user')),
    is_active               boolean NOT NULL DEFAULT true,
    max_messages_per_minute integer NOT NULL CHECK (max_messages_per_minute > 0),
    max_messages_per_day    integer NOT NULL CHECK (max_messages_per_day > 0),
    max_requests_per_minute integer NOT NULL CHECK (max_requests_per_minute > 0),
    max_sessions            integer NOT NULL DEFAULT 1 CHECK (max_sessions > 0),
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL,
    hash         bytea NOT NULL CHECK (length(hash) = 32), -- HMAC-SHA-256 of the key
    hint         text NOT NULL,              -- its first characters, to recognise it
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX api_keys_hash_key ON api_keys (hash);
CREATE INDEX api_keys_user_idx ON api_keys (user_id);

-- A bridge process, as it last reported. last_seq is the newest event applied:
-- a repeated batch changes nothing.
CREATE TABLE bridges (
    id           uuid PRIMARY KEY,
    mode         text NOT NULL CHECK (mode IN ('sandbox', 'live')),
    last_seq     bigint NOT NULL DEFAULT 0,
    last_seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    id             uuid PRIMARY KEY,
    user_id        uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name           text NOT NULL DEFAULT 'default',
    engine         text NOT NULL,
    status         text NOT NULL DEFAULT 'disconnected' CHECK (status IN (
                       'disconnected', 'connecting', 'qr_pending',
                       'passkey_required', 'connected', 'failed')),
    reason         text DEFAULT 'never_linked',
    restricted     boolean NOT NULL DEFAULT false,
    linked         boolean NOT NULL DEFAULT false, -- the bridge holds credentials
    wanted         boolean NOT NULL DEFAULT false, -- its user wants it connected
    phone_number   text,
    push_name      text,
    qr_code        text,
    qr_expires_at  timestamptz,
    connected_at   timestamptz,
    last_active_at timestamptz,
    bridge_id      uuid REFERENCES bridges ON DELETE SET NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sessions_user_name_key UNIQUE (user_id, name)
);

CREATE TABLE messages (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    session_id    uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    direction     text NOT NULL CHECK (direction IN ('out', 'in')),
    type          text NOT NULL,
    status        text NOT NULL CHECK (status IN (
                      'scheduled', 'pending', 'unknown', 'failed', 'cancelled',
                      'sent', 'delivered', 'read', 'played', 'received')),
    recipient     text,                      -- out: as normalised from the request
    sender        text,                      -- in: E.164 or WhatsApp id
    chat          text NOT NULL,             -- WhatsApp id of the chat
    content       text,
    whatsapp_id   text NOT NULL,             -- minted before the first attempt
    created_at    timestamptz NOT NULL DEFAULT now(),
    sent_at       timestamptz,
    delivered_at  timestamptz,
    read_at       timestamptz,
    attempts      integer NOT NULL DEFAULT 0,
    error_code    text,
    error_message text,
    request_id    text
);
CREATE INDEX messages_user_created_idx ON messages (user_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX messages_out_key ON messages (session_id, whatsapp_id)
    WHERE direction = 'out';
CREATE UNIQUE INDEX messages_in_key ON messages (session_id, chat, sender, whatsapp_id)
    WHERE direction = 'in';

-- What is still to be sent. A row lives from the commit that accepted its
-- message until the message is sent or failed; whoever attempts it holds the
-- lease, and attempts fences off a holder that was too slow.
CREATE TABLE outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id      uuid NOT NULL UNIQUE REFERENCES messages ON DELETE CASCADE,
    session_id      uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    chat            text NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_owner     text,
    lease_until     timestamptz,
    expires_at      timestamptz NOT NULL
);
CREATE INDEX outbox_due_idx ON outbox (next_attempt_at);
CREATE INDEX outbox_chat_idx ON outbox (session_id, chat, id);

-- The daemons that are at work, for health.
CREATE TABLE workers (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now()
);

-- How far a status is on its way; a status only moves to a higher rank.
-- A receipt is better evidence than a failure, so it may follow one.
CREATE FUNCTION message_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT CASE status
       WHEN 'scheduled' THEN 0 WHEN 'pending' THEN 1 WHEN 'unknown' THEN 2
       WHEN 'cancelled' THEN 3 WHEN 'failed' THEN 3 WHEN 'sent' THEN 4
       WHEN 'delivered' THEN 5 WHEN 'read' THEN 6 WHEN 'played' THEN 7
       ELSE 8 END $$;
