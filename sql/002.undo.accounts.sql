DROP TABLE audit_log, audit_head, login_failures, logins;
DROP FUNCTION audit_is_append_only();
ALTER TABLE api_keys DROP scopes, DROP networks, DROP last_used_at,
    DROP last_used_ip, DROP rotated_to;
ALTER TABLE users DROP version, DROP password_changed_at;
