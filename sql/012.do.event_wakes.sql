-- Readers are woken only where there are any: a transaction that notifies holds
-- up every other one that does while it commits, so those whose events nobody
-- waits for shall not.

ALTER TABLE event_heads
    ADD watched_until timestamptz NOT NULL DEFAULT '-infinity'; -- by who waits

CREATE OR REPLACE FUNCTION event_write(users_id uuid, what text, at timestamptz,
    of_session uuid, of_message uuid, told jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
    watched timestamptz;
BEGIN
    PERFORM event_lock();
    UPDATE event_heads h SET last_seq = h.last_seq + 1
        WHERE h.user_id = users_id
        RETURNING h.last_seq, h.watched_until INTO n, watched;
    IF n IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO events (user_id, seq, type, occurred_at, session_id,
        message_id, data)
    VALUES (users_id, n, what, at, of_session, of_message, told);
    IF watched > now() OR EXISTS (SELECT FROM webhooks w
            WHERE w.user_id = users_id AND w.is_active) THEN
        PERFORM pg_notify('wa_events', users_id::text);
    END IF;
END $$;
