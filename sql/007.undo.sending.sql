DROP TABLE idempotency_keys;
DROP INDEX messages_scheduled_idx, messages_chat_idx, messages_client_ref_idx;
ALTER TABLE messages DROP client_ref, DROP scheduled_at, DROP media_id,
    DROP quoted_id, DROP target_id, DROP played_at, DROP edited_at,
    DROP deleted_at;
