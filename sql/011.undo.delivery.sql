DROP TRIGGER messages_event_deleted ON messages;
DROP TRIGGER messages_event_edited ON messages;
DROP TRIGGER messages_event_note_change ON messages;
DROP TRIGGER sessions_pace ON sessions;
DROP TABLE message_changes, message_reactions, session_paces;
DROP FUNCTION reactions_event(), reactions_note(), sessions_pace();
DROP FUNCTION message_to_change(uuid, text, text, text, boolean);
DROP FUNCTION chat_is_new(uuid, uuid, text);
CREATE OR REPLACE FUNCTION message_event_data(m messages, session_name text) RETURNS jsonb
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
ALTER TABLE outbox DROP maybe_sent, DROP asking;
ALTER TABLE messages DROP cancelled_at, DROP unknown_at;
