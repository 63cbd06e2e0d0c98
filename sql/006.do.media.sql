-- Files that are sent or came in. media is what clients see; media_files are
-- the files on disk, one for each content of a user. A file stands here before
-- it is in its place and until it is gone from there, so that no crash leaves
-- one that nobody knows of.

CREATE TABLE media_files (
    name       text PRIMARY KEY CHECK (name ~ '^[0-9a-f]{32}$'), -- random
    user_id    uuid NOT NULL,         -- no reference: it outlives its user
    sha256     bytea NOT NULL CHECK (length(sha256) = 32),
    size       bigint NOT NULL CHECK (size > 0),
    dropped    boolean NOT NULL DEFAULT false, -- nobody's any more, to be removed
    touched_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX media_files_content_key ON media_files (user_id, sha256)
    WHERE NOT dropped;
CREATE INDEX media_files_dropped_idx ON media_files (touched_at) WHERE dropped;
CREATE INDEX media_files_touched_idx ON media_files (touched_at) WHERE NOT dropped;

CREATE TABLE media (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    source          text NOT NULL CHECK (source IN ('upload', 'url', 'inbound')),
    state           text NOT NULL CHECK (state IN (
                        'stored', 'fetching', 'on_demand', 'failed', 'gone')),
    file            text REFERENCES media_files,
    mime_type       text,
    size            bigint,
    sha256          bytea CHECK (length(sha256) = 32),
    file_name       text,
    url             text,             -- where to fetch it, until that is done
    session_id      uuid,             -- inbound: where the bridge finds it
    chat            text,
    whatsapp_id     text,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    error_message   text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_used_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT media_file_check CHECK ((state = 'stored') = (file IS NOT NULL))
);
CREATE INDEX media_user_created_idx ON media (user_id, created_at DESC, id DESC);
CREATE INDEX media_file_idx ON media (file) WHERE file IS NOT NULL;
CREATE INDEX media_used_idx ON media (last_used_at);
CREATE INDEX media_fetch_idx ON media (next_attempt_at) WHERE state = 'fetching';

-- A user's files go with the user: what is on disk is removed by whatsappd.
CREATE FUNCTION media_files_drop() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    UPDATE media_files SET dropped = true
        WHERE user_id = OLD.id AND NOT dropped;
    RETURN NULL;
END $$;
CREATE TRIGGER users_media_files AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION media_files_drop();
