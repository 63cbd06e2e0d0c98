-- Usage: a row for each API request, and sums by user and day that are right
-- at any time.
--
-- Whoever counts only appends to usage_delta, in the transaction of what is
-- counted, so that nobody waits for anybody; the daemon folds the deltas into
-- the sums. A reader adds up both.

CREATE TABLE request_log (
    at          timestamptz NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     uuid,               -- NULL: nobody was authenticated
    key_id      uuid,               -- NULL: by a login, or by nobody
    method      text NOT NULL,
    endpoint    text,               -- the route's path; NULL: there is none
    status      smallint NOT NULL,
    duration_us integer NOT NULL,
    bytes_in    bigint NOT NULL,    -- of the bodies
    bytes_out   bigint NOT NULL,
    address     text,
    request_id  text NOT NULL,
    PRIMARY KEY (at, id)
);
CREATE INDEX request_log_user_idx ON request_log (user_id, at, id);
CREATE INDEX request_log_request_idx ON request_log USING hash (request_id);

-- What a user did on a UTC day. A message counts where it was sent or where it
-- failed; one that is proven sent later leaves the failed ones.
CREATE TABLE usage_daily (
    user_id           uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    day               date NOT NULL,
    api_requests      bigint NOT NULL DEFAULT 0,
    messages_sent     bigint NOT NULL DEFAULT 0,
    messages_failed   bigint NOT NULL DEFAULT 0,
    messages_received bigint NOT NULL DEFAULT 0,
    media_sent        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, day)
) WITH (fillfactor = 70);

-- The same of all users and of nobody, by hour.
CREATE TABLE usage_hourly (
    hour              timestamptz PRIMARY KEY,
    api_requests      bigint NOT NULL DEFAULT 0,
    messages_sent     bigint NOT NULL DEFAULT 0,
    messages_failed   bigint NOT NULL DEFAULT 0,
    messages_received bigint NOT NULL DEFAULT 0,
    media_sent        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- How many outgoing messages of a UTC day, by when they were accepted, have
-- come how far.
CREATE TABLE usage_status (
    day      date NOT NULL,
    status   text NOT NULL,
    messages bigint NOT NULL,
    PRIMARY KEY (day, status)
) WITH (fillfactor = 50);

CREATE TABLE usage_delta (
    user_id           uuid,
    hour              timestamptz NOT NULL,
    api_requests      integer NOT NULL DEFAULT 0,
    messages_sent     integer NOT NULL DEFAULT 0,
    messages_failed   integer NOT NULL DEFAULT 0,
    messages_received integer NOT NULL DEFAULT 0,
    media_sent        integer NOT NULL DEFAULT 0,
    day               date,         -- of an outgoing message's acceptance
    was               text,         -- its status before, or NULL
    is_now            text          -- and after
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000);

-- Users that are gone, whose rows in request_log the daemon takes away.
CREATE TABLE usage_erasures (
    user_id    uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION usage_hour(at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS
$$ SELECT date_trunc('hour', at, 'UTC') $$;

CREATE FUNCTION usage_day(at timestamptz) RETURNS date
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS
$$ SELECT (at AT TIME ZONE 'UTC')::date $$;

CREATE FUNCTION message_is_media(type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT type IN ('image', 'video', 'audio', 'voice', 'document', 'sticker') $$;

ALTER TABLE messages ADD failed_at timestamptz;
UPDATE messages SET failed_at = created_at
    WHERE direction = 'out' AND status = 'failed';

CREATE FUNCTION messages_failed_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.failed_at := CASE WHEN NEW.status = 'failed'
        THEN coalesce(NEW.failed_at, now()) END;
    RETURN NEW;
END $$;
CREATE TRIGGER messages_failed_at BEFORE UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND 'failed' IN (OLD.status, NEW.status))
    EXECUTE FUNCTION messages_failed_at();

-- A message's status was set: what that changes. Two deltas only where a
-- failed message turns out to be sent.
CREATE FUNCTION messages_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := NULL;
    failed integer := 0;
    sent integer := 0;
BEGIN
    IF NEW.direction = 'in' THEN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO usage_delta (user_id, hour, messages_received)
            VALUES (NEW.user_id, usage_hour(NEW.created_at), 1);
        END IF;
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        was := OLD.status;
        IF was = 'failed' THEN
            INSERT INTO usage_delta (user_id, hour, messages_failed)
            VALUES (NEW.user_id, usage_hour(coalesce(OLD.failed_at, OLD.created_at)), -1);
        END IF;
    END IF;
    IF NEW.status = 'failed' THEN
        failed := 1;
    ELSIF message_rank(NEW.status) >= message_rank('sent')
        AND (was IS NULL OR message_rank(was) < message_rank('sent')) THEN
        sent := 1;
    END IF;
    INSERT INTO usage_delta (user_id, hour, messages_sent, messages_failed,
        media_sent, day, was, is_now)
    VALUES (NEW.user_id,
        usage_hour(CASE WHEN failed = 1 THEN coalesce(NEW.failed_at, NEW.created_at)
            ELSE coalesce(NEW.sent_at, now()) END),
        sent, failed,
        CASE WHEN message_is_media(NEW.type) THEN sent ELSE 0 END,
        usage_day(NEW.created_at), was, NEW.status);
    RETURN NULL;
END $$;
CREATE TRIGGER messages_count_new AFTER INSERT ON messages
    FOR EACH ROW EXECUTE FUNCTION messages_count();
CREATE TRIGGER messages_count_status AFTER UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status <> NEW.status)
    EXECUTE FUNCTION messages_count();

CREATE FUNCTION users_usage_erase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_erasures (user_id) VALUES (OLD.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER users_usage_erase AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION users_usage_erase();

-- What is there already.
INSERT INTO usage_delta (user_id, hour, messages_sent, messages_failed,
    messages_received, media_sent)
SELECT user_id,
    usage_hour(CASE WHEN direction = 'in' THEN created_at
        WHEN status = 'failed' THEN failed_at
        ELSE coalesce(sent_at, created_at) END),
    count(*) FILTER (WHERE direction = 'out'
        AND message_rank(status) >= message_rank('sent')),
    count(*) FILTER (WHERE direction = 'out' AND status = 'failed'),
    count(*) FILTER (WHERE direction = 'in'),
    count(*) FILTER (WHERE direction = 'out' AND message_is_media(type)
        AND message_rank(status) >= message_rank('sent'))
FROM messages GROUP BY 1, 2;
INSERT INTO usage_status (day, status, messages)
SELECT usage_day(created_at), status, count(*) FROM messages
WHERE direction = 'out' GROUP BY 1, 2;
