DROP TABLE session_keys, session_holders;
