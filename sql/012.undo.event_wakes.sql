CREATE OR REPLACE FUNCTION event_write(users_id uuid, what text, at timestamptz,
    of_session uuid, of_message uuid, told jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM event_lock();
    UPDATE event_heads h SET last_seq = h.last_seq + 1
        WHERE h.user_id = users_id RETURNING h.last_seq INTO n;
    IF n IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO events (user_id, seq, type, occurred_at, session_id,
        message_id, data)
    VALUES (users_id, n, what, at, of_session, of_message, told);
    PERFORM pg_notify('wa_events', users_id::text);
END $$;
ALTER TABLE event_heads DROP watched_until;
