-- The feed of events: what happened to a user's messages and sessions, one row
-- for each change, written in the transaction of the change.
--
-- A user's events have numbers without gaps, and become visible in the order
-- of their numbers: who has seen number n never finds a smaller one later.
-- For that the number is taken under the lock of the user's row in event_heads,
-- and the lock is held until the commit has been seen by all.
--
-- Transactions touch messages and users in any order. So the numbers are taken
-- at the very end: triggers that are deferred to the commit lock the heads of
-- all users of the transaction in the order of their ids, after every other
-- lock. Which users these are is gathered on the way, in a setting of the
-- transaction, which a savepoint that is rolled back takes back too.

CREATE TABLE event_heads (
    user_id   uuid PRIMARY KEY,             -- goes at the end of the deletion of
                                            -- its user, hence no reference
    last_seq  bigint NOT NULL DEFAULT 0,    -- the newest number given
    first_seq bigint NOT NULL DEFAULT 1     -- the oldest that is kept
) WITH (fillfactor = 50);

CREATE TABLE events (
    user_id     uuid NOT NULL,
    seq         bigint NOT NULL,
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    type        text NOT NULL,              -- message.sent, session.connected, …
    occurred_at timestamptz NOT NULL,       -- as the phone or WhatsApp tells it
    written_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    session_id  uuid,                       -- no references: an event tells of
    message_id  uuid,                       -- what was, also when it is gone
    data        jsonb NOT NULL,             -- as it was after the change
    PRIMARY KEY (user_id, seq)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);

INSERT INTO event_heads (user_id) SELECT id FROM users;

-- --- who is in it ----------------------------------------------------------

-- Gather a user of this transaction.
CREATE FUNCTION event_note(uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    noted text := coalesce(current_setting('whatsapp.event_users', true), '');
BEGIN
    IF noted = '' THEN
        PERFORM set_config('whatsapp.event_users', $1::text, true);
    ELSIF position($1::text IN noted) = 0 THEN
        PERFORM set_config('whatsapp.event_users', noted || ',' || $1, true);
    END IF;
END $$;

-- Lock the heads of all who were gathered, in the order of their ids. Of one
-- alone the head is locked by its change.
CREATE FUNCTION event_lock() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    noted text := coalesce(current_setting('whatsapp.event_users', true), '');
BEGIN
    IF noted <> '' THEN
        IF length(noted) > 36 THEN
            PERFORM FROM event_heads
            WHERE user_id = ANY (string_to_array(noted, ',')::uuid[])
            ORDER BY user_id FOR UPDATE;
        END IF;
        PERFORM set_config('whatsapp.event_users', '', true);
    END IF;
END $$;

CREATE FUNCTION events_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_note(NEW.user_id);
    RETURN NULL;
END $$;

-- --- what is written --------------------------------------------------------

CREATE FUNCTION event_time(timestamptz) RETURNS text
    LANGUAGE sql STABLE STRICT PARALLEL SAFE AS
$$ SELECT to_char($1 AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- What an event tells of a message; a later migration that adds columns puts
-- its own in the place of this. The text only of what was received: the sender
-- has the other.
CREATE FUNCTION message_event_data(m messages, session_name text) RETURNS jsonb
    LANGUAGE sql STABLE AS
$$ SELECT jsonb_strip_nulls(jsonb_build_object(
       'id', m.id,
       'session_id', m.session_id,
       'session', session_name,
       'direction', m.direction,
       'type', m.type,
       'status', m.status,
       'recipient', m.recipient,
       'sender', m.sender,
       'chat', m.chat,
       'content', CASE WHEN m.direction = 'in' THEN m.content END,
       'whatsapp_id', m.whatsapp_id,
       'attempts', m.attempts,
       'created_at', event_time(m.created_at),
       'sent_at', event_time(m.sent_at),
       'delivered_at', event_time(m.delivered_at),
       'read_at', event_time(m.read_at),
       'failed_at', event_time(m.failed_at),
       'error_code', m.error_code,
       'error_message', m.error_message)) $$;

-- When that was: as told by the phone, where it told.
CREATE FUNCTION message_event_time(m messages) RETURNS timestamptz
    LANGUAGE sql STABLE AS
$$ SELECT coalesce(CASE m.status
       WHEN 'received' THEN m.created_at
       WHEN 'sent' THEN m.sent_at
       WHEN 'delivered' THEN m.delivered_at
       WHEN 'read' THEN m.read_at
       WHEN 'failed' THEN m.failed_at END, now()) $$;

CREATE FUNCTION session_event_data(s sessions) RETURNS jsonb
    LANGUAGE sql STABLE AS
$$ SELECT jsonb_strip_nulls(jsonb_build_object(
       'id', s.id,
       'session_id', s.id,
       'session', s.name,
       'engine', s.engine,
       'status', s.status,
       'reason', s.reason,
       'restricted', s.restricted,
       'phone_number', s.phone_number,
       'push_name', s.push_name,
       'connected_at', event_time(s.connected_at),
       'updated_at', event_time(s.updated_at))) $$;

-- Give the event its number and write it. Of a user who is gone nothing is
-- written. Readers are woken by the commit.
CREATE FUNCTION event_write(users_id uuid, what text, at timestamptz,
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

-- A message has come to a status, or to what the trigger's argument names.
CREATE FUNCTION messages_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_write(NEW.user_id,
        coalesce(TG_ARGV[0], 'message.' || NEW.status),
        CASE WHEN TG_NARGS = 0 THEN message_event_time(NEW) ELSE now() END,
        NEW.session_id, NEW.id,
        message_event_data(NEW,
            (SELECT s.name FROM sessions s WHERE s.id = NEW.session_id)));
    RETURN NULL;
END $$;

CREATE FUNCTION sessions_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_write(NEW.user_id, 'session.' || NEW.status, now(), NEW.id,
        NULL, session_event_data(NEW));
    RETURN NULL;
END $$;

-- --- when -------------------------------------------------------------------

CREATE TRIGGER messages_event_note_new AFTER INSERT ON messages
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'scheduled'))
    EXECUTE FUNCTION events_note();
CREATE TRIGGER messages_event_note_status AFTER UPDATE OF status ON messages
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status NOT IN ('pending', 'scheduled'))
    EXECUTE FUNCTION events_note();
CREATE CONSTRAINT TRIGGER messages_event_new AFTER INSERT ON messages
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'scheduled'))
    EXECUTE FUNCTION messages_event();
CREATE CONSTRAINT TRIGGER messages_event_status AFTER UPDATE OF status ON messages
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status
        AND NEW.status NOT IN ('pending', 'scheduled'))
    EXECUTE FUNCTION messages_event();

CREATE TRIGGER sessions_event_note_new AFTER INSERT ON sessions
    FOR EACH ROW EXECUTE FUNCTION events_note();
CREATE TRIGGER sessions_event_note_status AFTER UPDATE ON sessions
    FOR EACH ROW WHEN ((OLD.status, OLD.reason, OLD.restricted)
        IS DISTINCT FROM (NEW.status, NEW.reason, NEW.restricted))
    EXECUTE FUNCTION events_note();
CREATE CONSTRAINT TRIGGER sessions_event_new AFTER INSERT ON sessions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sessions_event();
CREATE CONSTRAINT TRIGGER sessions_event_status AFTER UPDATE ON sessions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN ((OLD.status, OLD.reason, OLD.restricted)
        IS DISTINCT FROM (NEW.status, NEW.reason, NEW.restricted))
    EXECUTE FUNCTION sessions_event();

-- --- users come and go ------------------------------------------------------

CREATE FUNCTION users_event_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_heads (user_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER users_event_head AFTER INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION users_event_head();

CREATE FUNCTION users_event_note_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_note(OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER users_event_note_gone AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION users_event_note_gone();

-- The head first: who waits for it then finds that the user is gone.
CREATE FUNCTION users_event_erase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_lock();
    DELETE FROM event_heads WHERE user_id = OLD.id;
    DELETE FROM events WHERE user_id = OLD.id;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER users_event_erase AFTER DELETE ON users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION users_event_erase();
