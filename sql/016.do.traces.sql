-- The trace that a request belongs to goes on with what follows from it later:
-- the attempts of whatsappd, the events that are posted to webhooks.

-- "32 hex digits-flags" (W3C Trace Context), only where the trace is not found
-- by the request id: one that the client has begun, or the request id is of its
-- making. NULL: the digits of request_id.
ALTER TABLE messages ADD trace text;

-- Of the request that asked for a delivery that is no event of the feed.
ALTER TABLE webhook_deliveries
    ADD request_id text,
    ADD trace      text;
