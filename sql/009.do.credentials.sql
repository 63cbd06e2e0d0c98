-- What the engine of a session keeps (keys, Signal sessions), so that the
-- session can move to another bridge. Names and values are the bridge's
-- secrets: a name is an HMAC, a value is sealed. Nothing here reads them.

-- Who holds a session. A bridge that took it over gets the next epoch, and
-- what an earlier holder still writes is refused.
CREATE TABLE session_holders (
    session_id uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    bridge_id  uuid NOT NULL,
    epoch      bigint NOT NULL DEFAULT 1,
    generation bigint NOT NULL DEFAULT 1,      -- of the copy
    clean      boolean NOT NULL,               -- the holder left, and this is all it had
    written_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE session_keys (
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    name       bytea NOT NULL CHECK (length(name) = 32),
    value      bytea NOT NULL,
    generation bigint NOT NULL,                -- the copy it belongs to
    PRIMARY KEY (session_id, name)
) WITH (fillfactor = 70);
