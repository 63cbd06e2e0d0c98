-- Writing down what many messages have come to costs less.

-- --- functions that the planner can put in where they are called -------------
-- Not STRICT: a function that is, and whose text isn't, is planned anew by each
-- query that calls it. Of NULL these know nothing, as before.

CREATE OR REPLACE FUNCTION message_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE status
       WHEN 'scheduled' THEN 0 WHEN 'pending' THEN 1 WHEN 'unknown' THEN 2
       WHEN 'cancelled' THEN 3 WHEN 'failed' THEN 3 WHEN 'sent' THEN 4
       WHEN 'delivered' THEN 5 WHEN 'read' THEN 6 WHEN 'played' THEN 7
       ELSE CASE WHEN status IS NOT NULL THEN 8 END END $$;

CREATE OR REPLACE FUNCTION message_is_media(type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT type IN ('image', 'video', 'audio', 'voice', 'document', 'sticker') $$;

-- --- usage: one delta for what is alike in a statement ------------------------

ALTER TABLE usage_delta
    ADD messages integer NOT NULL DEFAULT 1; -- that have gone from was to is_now

DROP TRIGGER messages_count_new ON messages;
DROP TRIGGER messages_count_status ON messages;
DROP FUNCTION messages_count();

CREATE FUNCTION messages_count_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_delta (user_id, hour, messages_sent, messages_failed,
        messages_received, media_sent, day, is_now, messages)
    SELECT x.user_id, x.hour, count(*) FILTER (WHERE x.sent),
        count(*) FILTER (WHERE x.is_now = 'failed'),
        count(*) FILTER (WHERE x.is_now IS NULL),
        count(*) FILTER (WHERE x.sent AND message_is_media(x.type)),
        x.day, x.is_now, count(*)
    FROM (SELECT n.user_id, n.type,
            usage_hour(CASE WHEN n.direction = 'in' THEN n.created_at
                WHEN n.status = 'failed' THEN coalesce(n.failed_at, n.created_at)
                ELSE coalesce(n.sent_at, now()) END) AS hour,
            n.direction = 'out'
                AND message_rank(n.status) >= message_rank('sent') AS sent,
            CASE WHEN n.direction = 'out' THEN usage_day(n.created_at) END AS day,
            CASE WHEN n.direction = 'out' THEN n.status END AS is_now
        FROM after_it n) x
    GROUP BY x.user_id, x.hour, x.day, x.is_now;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_count_new AFTER INSERT ON messages
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION messages_count_new();

-- A failed message turns out to be sent: a delta more.
CREATE FUNCTION messages_count_saved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_delta (user_id, hour, messages_failed)
    VALUES (NEW.user_id, usage_hour(coalesce(OLD.failed_at, OLD.created_at)), -1);
    RETURN NULL;
END $$;
CREATE TRIGGER messages_count_saved AFTER UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status = 'failed' AND NEW.status <> 'failed'
        AND NEW.direction = 'out')
    EXECUTE FUNCTION messages_count_saved();

-- --- the feed: the numbers of a statement at once -------------------------------
-- A statement that is a transaction by itself has every other lock when it ends,
-- so the heads may be locked there and then, and its events be written together
-- rather than one by one at the commit. It says so by whatsapp.alone. Where the
-- transaction goes on all the same, nothing but the order of locks is lost.

CREATE FUNCTION event_is_alone() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT current_setting('whatsapp.alone', true) IS NOT DISTINCT FROM 'on' $$;

DROP TRIGGER messages_event_note_status ON messages;
DROP TRIGGER messages_event_status ON messages;
CREATE TRIGGER messages_event_note_status AFTER UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status NOT IN ('pending', 'scheduled') AND NOT event_is_alone())
    EXECUTE FUNCTION events_note();
CREATE CONSTRAINT TRIGGER messages_event_status AFTER UPDATE OF status ON messages
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status NOT IN ('pending', 'scheduled') AND NOT event_is_alone())
    EXECUTE FUNCTION messages_event();

CREATE FUNCTION messages_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    users_ids uuid[];
BEGIN
    INSERT INTO usage_delta (user_id, hour, messages_sent, messages_failed,
        media_sent, day, was, is_now, messages)
    SELECT x.user_id, x.hour, count(*) FILTER (WHERE x.sent),
        count(*) FILTER (WHERE x.is_now = 'failed'),
        count(*) FILTER (WHERE x.sent AND message_is_media(x.type)),
        x.day, x.was, x.is_now, count(*)
    FROM (SELECT n.user_id, n.type,
            usage_hour(CASE WHEN n.status = 'failed'
                THEN coalesce(n.failed_at, n.created_at)
                ELSE coalesce(n.sent_at, now()) END) AS hour,
            message_rank(n.status) >= message_rank('sent')
                AND message_rank(o.status) < message_rank('sent') AS sent,
            usage_day(n.created_at) AS day, o.status AS was, n.status AS is_now
        FROM before_it o JOIN after_it n ON n.id = o.id
        WHERE o.status <> n.status AND n.direction = 'out') x
    GROUP BY x.user_id, x.hour, x.day, x.was, x.is_now;
    IF NOT event_is_alone() THEN
        RETURN NULL;
    END IF;
    users_ids := ARRAY(SELECT DISTINCT n.user_id
        FROM before_it o JOIN after_it n ON n.id = o.id
        WHERE o.status <> n.status
            AND n.status NOT IN ('pending', 'scheduled'));
    IF cardinality(users_ids) = 0 THEN
        RETURN NULL;
    END IF;
    IF cardinality(users_ids) > 1 THEN
        PERFORM FROM event_heads WHERE user_id = ANY (users_ids)
            ORDER BY user_id FOR UPDATE;
    END IF;
    WITH e AS MATERIALIZED (SELECT n.user_id, n.session_id, n.id, n.status,
            message_event_time(ROW(n.*)::messages) AS at,
            message_event_data(ROW(n.*)::messages, s.name) AS data
        FROM before_it o JOIN after_it n ON n.id = o.id
        LEFT JOIN sessions s ON s.id = n.session_id
        WHERE o.status <> n.status
            AND n.status NOT IN ('pending', 'scheduled')),
    h AS (UPDATE event_heads h SET last_seq = h.last_seq + c.n
        FROM (SELECT e.user_id, count(*) AS n FROM e GROUP BY 1) c
        WHERE h.user_id = c.user_id
        RETURNING h.user_id, h.last_seq - c.n AS before)
    INSERT INTO events (user_id, seq, type, occurred_at, session_id, message_id,
        data)
    SELECT e.user_id, h.before + row_number() OVER (PARTITION BY e.user_id
            ORDER BY e.at, e.id), 'message.' || e.status, e.at, e.session_id,
        e.id, e.data
    FROM e JOIN h ON h.user_id = e.user_id;
    PERFORM pg_notify('wa_events', h.user_id::text) FROM event_heads h
        WHERE h.user_id = ANY (users_ids)
        AND (h.watched_until > now() OR EXISTS (SELECT FROM webhooks w
            WHERE w.user_id = h.user_id AND w.is_active));
    RETURN NULL;
END $$;
CREATE TRIGGER messages_change AFTER UPDATE ON messages
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION messages_change();
