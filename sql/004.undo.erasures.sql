DROP TABLE session_erasures;
