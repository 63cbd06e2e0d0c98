-- The code that is typed on the phone, where a session is linked by number.
ALTER TABLE sessions
    ADD COLUMN pairing_code text,
    ADD COLUMN pairing_code_expires_at timestamptz;
