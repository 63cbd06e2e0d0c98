CREATE OR REPLACE FUNCTION messages_change() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- What has lost its user or its session meanwhile goes, as it would have.
DELETE FROM outbox o WHERE NOT EXISTS (SELECT FROM sessions s WHERE s.id = o.session_id);
DELETE FROM messages m WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = m.user_id);
ALTER TABLE outbox ADD CONSTRAINT outbox_session_id_fkey
    FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE;
ALTER TABLE messages ADD CONSTRAINT messages_user_id_fkey
    FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
