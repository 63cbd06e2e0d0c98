DROP FUNCTION webhook_wants(text[], text);
DROP TABLE webhook_attempts, webhook_deliveries, webhooks;
