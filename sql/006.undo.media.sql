DROP TRIGGER users_media_files ON users;
DROP FUNCTION media_files_drop();
DROP TABLE media;
DROP TABLE media_files;
