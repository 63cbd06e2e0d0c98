-- What many messages have come to, and what is checked of each.

-- --- what is known already isn't checked once more ------------------------------
-- A message's user is its session's, and goes with him by it: sessions are
-- deleted with their user, messages with their session, the outbox with its
-- message.

ALTER TABLE messages DROP CONSTRAINT messages_user_id_fkey;
ALTER TABLE outbox DROP CONSTRAINT outbox_session_id_fkey;

-- --- the feed: one statement for its numbers, its events and who waits ----------
-- The heads are locked in the order of their users; whoever waits for events is
-- told by what their change returns, in place of a look-up that was planned anew
-- for each call.

CREATE OR REPLACE FUNCTION messages_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    told bigint;
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
    WITH e AS MATERIALIZED (SELECT n.user_id, n.session_id, n.id, n.status,
            message_event_time(ROW(n.*)::messages) AS at,
            message_event_data(ROW(n.*)::messages, s.name) AS data
        FROM before_it o JOIN after_it n ON n.id = o.id
        LEFT JOIN sessions s ON s.id = n.session_id
        WHERE o.status <> n.status
            AND n.status NOT IN ('pending', 'scheduled')),
    l AS MATERIALIZED (SELECT h.user_id, c.n
        FROM (SELECT e.user_id, count(*) AS n FROM e GROUP BY 1) c
        JOIN event_heads h ON h.user_id = c.user_id
        ORDER BY h.user_id FOR NO KEY UPDATE OF h),
    h AS (UPDATE event_heads h SET last_seq = h.last_seq + l.n
        FROM l WHERE h.user_id = l.user_id
        RETURNING h.user_id, h.last_seq - l.n AS before, h.watched_until),
    i AS (INSERT INTO events (user_id, seq, type, occurred_at, session_id,
            message_id, data)
        SELECT e.user_id, h.before + row_number() OVER (PARTITION BY e.user_id
                ORDER BY e.at, e.id), 'message.' || e.status, e.at,
            e.session_id, e.id, e.data
        FROM e JOIN h ON h.user_id = e.user_id)
    SELECT count(pg_notify('wa_events', h.user_id::text)) INTO told FROM h
        WHERE h.watched_until > now() OR EXISTS (SELECT FROM webhooks w
            WHERE w.user_id = h.user_id AND w.is_active);
    RETURN NULL;
END $$;
