ALTER TABLE webhook_deliveries DROP request_id, DROP trace;
ALTER TABLE messages DROP trace;
