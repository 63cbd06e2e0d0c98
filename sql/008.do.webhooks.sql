-- Webhooks: where a user's events are posted to, what is to be posted, and what
-- came of it.

CREATE TABLE webhooks (
    id              uuid PRIMARY KEY,
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    url             text NOT NULL,
    events          text[] NOT NULL DEFAULT '{}', -- types, or message.*; empty: all
    description     text,
    secret          bytea NOT NULL,          -- sealed; signs what is posted
    previous_secret bytea,                   -- sealed; signs beside it until then
    previous_until  timestamptz,
    is_active       boolean NOT NULL DEFAULT true,
    disabled_reason text,                    -- user, gone, failing
    seen_seq        bigint NOT NULL,         -- the newest event that was looked at
    failing_since   timestamptz,             -- of the first failure after a success
    version         bigint NOT NULL DEFAULT 1, -- for ETag and If-Match
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_user_idx ON webhooks (user_id, created_at DESC);

-- An event for a webhook. Who attempts it holds the lease, and attempts fences
-- off a holder that was too slow. Whoever changes deliveries locks their
-- webhook first, so that nobody waits for the other way round.
CREATE TABLE webhook_deliveries (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    webhook_id      uuid NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    event_id        uuid NOT NULL,           -- webhook-id, the same on every repeat
    seq             bigint,                  -- of the event; NULL: none of the feed
    type            text NOT NULL,
    data            jsonb,                   -- only of what is not in the feed
    state           text NOT NULL DEFAULT 'pending'
                    CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        integer NOT NULL DEFAULT 0, -- of all, the fence
    tries           integer NOT NULL DEFAULT 0, -- since it was last asked for
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_owner     text,
    lease_until     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at        timestamptz,
    CONSTRAINT webhook_deliveries_event_key UNIQUE (webhook_id, event_id)
);
CREATE INDEX webhook_deliveries_due_idx
    ON webhook_deliveries (webhook_id, next_attempt_at, seq) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_leased_idx
    ON webhook_deliveries (webhook_id) WHERE lease_until IS NOT NULL;
CREATE INDEX webhook_deliveries_list_idx
    ON webhook_deliveries (webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_created_idx ON webhook_deliveries (created_at);

CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    number      integer NOT NULL,
    at          timestamptz NOT NULL,
    took_ms     integer NOT NULL,
    status      integer,                     -- of the answer; NULL: there was none
    error       text,
    response    text,                        -- the first bytes of the answer's body
    PRIMARY KEY (delivery_id, number)
);

-- Does a webhook with this filter want events of this type?
CREATE FUNCTION webhook_wants(filter text[], type text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT filter = '{}' OR type = ANY (filter)
       OR split_part(type, '.', 1) || '.*' = ANY (filter) $$;
