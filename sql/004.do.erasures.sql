-- Sessions whose user is gone while their bridge was away: the daemon asks
-- the bridge until it has unlinked and erased them.
CREATE TABLE session_erasures (
    session_id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);
