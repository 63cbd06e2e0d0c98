-- Delivery in full: messages that are cancelled, and such of which nobody knows
-- whether they went; what answers, changes or takes back a message; the pace of
-- a session.

ALTER TABLE messages
    ADD cancelled_at timestamptz,
    ADD unknown_at   timestamptz;       -- since when its outcome is not known

ALTER TABLE outbox
    -- An attempt may have come through: it can't be cancelled any more, and
    -- ends as unknown rather than as failed.
    ADD maybe_sent boolean NOT NULL DEFAULT false,
    -- It left, and the bridge is asked what became of it; nothing waits for it.
    ADD asking     boolean NOT NULL DEFAULT false;

-- When a session may send next, and to how many new chats it wrote on a day.
CREATE TABLE session_paces (
    session_id uuid PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    next_at    timestamptz NOT NULL DEFAULT now(),
    day        date,                    -- UTC
    new_chats  integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO session_paces (session_id) SELECT id FROM sessions;

CREATE FUNCTION sessions_pace() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO session_paces (session_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER sessions_pace AFTER INSERT ON sessions
    FOR EACH ROW EXECUTE FUNCTION sessions_pace();

-- Has nothing been said in this chat by either side?
CREATE FUNCTION chat_is_new(of_session uuid, of_user uuid, of_chat text)
    RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT NOT EXISTS (SELECT FROM messages m WHERE m.user_id = of_user
       AND m.chat = of_chat AND m.session_id = of_session
       AND (m.direction = 'in' OR m.attempts > 0
           OR message_rank(m.status) >= message_rank('sent'))) $$;

-- --- what comes after a message ---------------------------------------------

-- The newest reaction of each person to a message, also to one that is not
-- here. No emoji: it was taken back.
CREATE TABLE message_reactions (
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    target_id  text NOT NULL,           -- WhatsApp id
    chat       text NOT NULL,
    sender     text NOT NULL,
    emoji      text,
    at         timestamptz NOT NULL,
    PRIMARY KEY (session_id, target_id, chat, sender)
);

-- Edits and deletions whose message has not come yet.
CREATE TABLE message_changes (
    session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
    target_id  text NOT NULL,
    chat       text NOT NULL,
    sender     text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('edit', 'deletion')),
    content    text,
    at         timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session_id, target_id, chat, sender, kind)
);
CREATE INDEX message_changes_created_idx ON message_changes (created_at);

-- The message of this WhatsApp id that somebody may change: their own. What we
-- sent is changed on our own phone; in a group an admin may delete what is
-- another's, and WhatsApp sees to it that nobody else does.
CREATE FUNCTION message_to_change(of_session uuid, in_chat text, wa_id text,
    by_whom text, deletes boolean) RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT id FROM (
       SELECT m.id FROM messages m
           JOIN sessions s ON s.id = m.session_id AND s.phone_number = by_whom
           WHERE m.session_id = of_session AND m.whatsapp_id = wa_id
           AND m.direction = 'out'
       UNION ALL
       SELECT m.id FROM messages m
           WHERE m.session_id = of_session AND m.chat = in_chat
           AND m.whatsapp_id = wa_id AND m.direction = 'in'
           AND (m.sender = by_whom OR (deletes AND in_chat LIKE '%@g.us'))
   ) x LIMIT 1 $$;

-- --- what the feed tells of all that ----------------------------------------

CREATE OR REPLACE FUNCTION message_event_data(m messages, session_name text)
    RETURNS jsonb LANGUAGE sql STABLE AS
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
       'media_id', m.media_id,
       'whatsapp_id', m.whatsapp_id,
       'client_ref', m.client_ref,
       'quoted_id', m.quoted_id,
       'attempts', m.attempts,
       'created_at', event_time(m.created_at),
       'scheduled_at', event_time(m.scheduled_at),
       'sent_at', event_time(m.sent_at),
       'delivered_at', event_time(m.delivered_at),
       'read_at', event_time(m.read_at),
       'played_at', event_time(m.played_at),
       'failed_at', event_time(m.failed_at),
       'cancelled_at', event_time(m.cancelled_at),
       'unknown_at', event_time(m.unknown_at),
       'edited_at', event_time(m.edited_at),
       'deleted_at', event_time(m.deleted_at),
       'error_code', m.error_code,
       'error_message', m.error_message)) $$;

CREATE TRIGGER messages_event_note_change
    AFTER UPDATE OF edited_at, deleted_at ON messages
    FOR EACH ROW WHEN ((OLD.edited_at, OLD.deleted_at)
        IS DISTINCT FROM (NEW.edited_at, NEW.deleted_at))
    EXECUTE FUNCTION events_note();
CREATE CONSTRAINT TRIGGER messages_event_edited
    AFTER UPDATE OF edited_at ON messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.edited_at IS DISTINCT FROM NEW.edited_at)
    EXECUTE FUNCTION messages_event('message.edited');
CREATE CONSTRAINT TRIGGER messages_event_deleted
    AFTER UPDATE OF deleted_at ON messages DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
    EXECUTE FUNCTION messages_event('message.deleted');

CREATE FUNCTION reactions_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_note(s.user_id) FROM sessions s WHERE s.id = NEW.session_id;
    RETURN NULL;
END $$;
CREATE TRIGGER message_reactions_note AFTER INSERT OR UPDATE ON message_reactions
    FOR EACH ROW EXECUTE FUNCTION reactions_note();

CREATE FUNCTION reactions_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    s sessions;
    m uuid;
BEGIN
    SELECT * INTO s FROM sessions WHERE id = NEW.session_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT x.id INTO m FROM messages x WHERE x.session_id = NEW.session_id
        AND x.whatsapp_id = NEW.target_id AND x.direction = 'out';
    IF m IS NULL THEN
        SELECT x.id INTO m FROM messages x WHERE x.session_id = NEW.session_id
            AND x.chat = NEW.chat AND x.whatsapp_id = NEW.target_id
            AND x.direction = 'in' LIMIT 1;
    END IF;
    PERFORM event_write(s.user_id, 'message.reaction', NEW.at, s.id, m,
        jsonb_strip_nulls(jsonb_build_object(
            'id', m, 'session_id', s.id, 'session', s.name, 'chat', NEW.chat,
            'whatsapp_id', NEW.target_id, 'sender', NEW.sender))
        || jsonb_build_object('emoji', NEW.emoji, 'at', event_time(NEW.at)));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER message_reactions_event
    AFTER INSERT OR UPDATE ON message_reactions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION reactions_event();
