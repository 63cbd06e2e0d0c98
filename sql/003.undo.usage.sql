DROP TRIGGER users_usage_erase ON users;
DROP TRIGGER messages_count_status ON messages;
DROP TRIGGER messages_count_new ON messages;
DROP TRIGGER messages_failed_at ON messages;
DROP FUNCTION users_usage_erase(), messages_count(), messages_failed_at(),
    message_is_media(text), usage_day(timestamptz), usage_hour(timestamptz);
ALTER TABLE messages DROP failed_at;
DROP TABLE usage_erasures, usage_delta, usage_status, usage_hourly,
    usage_daily, request_log;
