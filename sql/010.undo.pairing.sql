ALTER TABLE sessions DROP COLUMN pairing_code, DROP COLUMN pairing_code_expires_at;
