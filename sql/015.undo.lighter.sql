DROP TRIGGER messages_change ON messages;
DROP FUNCTION messages_change();
DROP TRIGGER messages_event_note_status ON messages;
DROP TRIGGER messages_event_status ON messages;
DROP FUNCTION event_is_alone();
CREATE TRIGGER messages_event_note_status AFTER UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status NOT IN ('pending', 'scheduled'))
    EXECUTE FUNCTION events_note();
CREATE CONSTRAINT TRIGGER messages_event_status AFTER UPDATE OF status ON messages
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status NOT IN ('pending', 'scheduled'))
    EXECUTE FUNCTION messages_event();

DROP TRIGGER messages_count_saved ON messages;
DROP FUNCTION messages_count_saved();
DROP TRIGGER messages_count_new ON messages;
DROP FUNCTION messages_count_new();
INSERT INTO usage_delta (hour, day, was, is_now)
    SELECT d.hour, d.day, d.was, d.is_now
    FROM usage_delta d, generate_series(2, d.messages) WHERE d.day IS NOT NULL;
ALTER TABLE usage_delta DROP messages;

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

CREATE OR REPLACE FUNCTION message_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT CASE status
       WHEN 'scheduled' THEN 0 WHEN 'pending' THEN 1 WHEN 'unknown' THEN 2
       WHEN 'cancelled' THEN 3 WHEN 'failed' THEN 3 WHEN 'sent' THEN 4
       WHEN 'delivered' THEN 5 WHEN 'read' THEN 6 WHEN 'played' THEN 7
       ELSE 8 END $$;
CREATE OR REPLACE FUNCTION message_is_media(type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT type IN ('image', 'video', 'audio', 'voice', 'document', 'sticker') $$;
