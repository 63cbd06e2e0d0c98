-- Accounts in full: versions for ETags, scopes and networks of keys, logins
-- that can be ended, failed logins, the request log and its sums, the audit.

ALTER TABLE users
    ADD version             bigint NOT NULL DEFAULT 1,   -- for ETag and If-Match
    ADD password_changed_at timestamptz;

ALTER TABLE api_keys
    ADD scopes       text[] NOT NULL DEFAULT '{}',
    ADD networks     cidr[] NOT NULL DEFAULT '{}',       -- empty: from anywhere
    ADD last_used_at timestamptz,
    ADD last_used_ip inet,
    ADD rotated_to   uuid REFERENCES api_keys ON DELETE SET NULL;
UPDATE api_keys SET scopes = ARRAY['messages:send', 'messages:read',
    'sessions:read', 'sessions:write', 'usage:read', 'events:read',
    'webhooks:manage'];

-- One row for each login. A refresh token is used once; the hash before the
-- present one betrays a stolen token that is used again.
CREATE TABLE logins (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    kind          text NOT NULL CHECK (kind IN ('token', 'cookie')),
    refresh_hash  bytea NOT NULL,
    previous_hash bytea,
    address       inet,
    user_agent    text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    revoked_why   text
);
CREATE INDEX logins_user_idx ON logins (user_id, created_at DESC);
CREATE UNIQUE INDEX logins_refresh_key ON logins (refresh_hash);
CREATE INDEX logins_previous_idx ON logins (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX logins_expires_idx ON logins (expires_at);

-- Failed logins: by account and address, and by address alone (account '').
CREATE TABLE login_failures (
    account    text NOT NULL,
    address    text NOT NULL,
    failures   integer NOT NULL,
    first_at   timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, address)
);
CREATE INDEX login_failures_last_idx ON login_failures (last_at);

-- The audit: append-only, each row's hash is an HMAC over the one before it
-- and the row, so that an altered, removed or inserted row shows.
CREATE TABLE audit_log (
    id          bigint PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor_id    uuid,               -- no reference: the audit outlives its users
    actor       text,               -- user name, or the one tried at a login
    address     text,
    action      text NOT NULL,      -- user.create, key.revoke, login.failed, …
    target_type text,
    target_id   text,
    detail      text,               -- JSON, as it was hashed
    request_id  text,
    hash        bytea NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_log_at_idx ON audit_log (at DESC, id DESC);
CREATE INDEX audit_log_target_idx ON audit_log (target_id);

-- The newest link of the chain; its row lock orders writers.
CREATE TABLE audit_head (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    last_id bigint NOT NULL,
    hash    bytea NOT NULL
);
INSERT INTO audit_head (last_id, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON audit_log EXECUTE FUNCTION audit_is_append_only();
