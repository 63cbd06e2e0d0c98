DROP TRIGGER users_event_erase ON users;
DROP TRIGGER users_event_note_gone ON users;
DROP TRIGGER users_event_head ON users;
DROP TRIGGER sessions_event_status ON sessions;
DROP TRIGGER sessions_event_new ON sessions;
DROP TRIGGER sessions_event_note_status ON sessions;
DROP TRIGGER sessions_event_note_new ON sessions;
DROP TRIGGER messages_event_status ON messages;
DROP TRIGGER messages_event_new ON messages;
DROP TRIGGER messages_event_note_status ON messages;
DROP TRIGGER messages_event_note_new ON messages;
DROP FUNCTION users_event_erase(), users_event_note_gone(), users_event_head(),
    sessions_event(), messages_event(),
    event_write(uuid, text, timestamptz, uuid, uuid, jsonb),
    session_event_data(sessions), message_event_time(messages),
    message_event_data(messages, text), event_time(timestamptz), events_note(),
    event_lock(), event_note(uuid);
DROP TABLE events, event_heads;
