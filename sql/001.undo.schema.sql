DROP FUNCTION message_rank(text);
DROP TABLE workers, outbox, messages, sessions, bridges, api_keys, users;
