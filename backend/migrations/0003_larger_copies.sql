-- Larger copies that say how they were made, and that can be made again.
-- One text for SQLite and PostgreSQL.

ALTER TABLE images ADD COLUMN enlargement TEXT; -- how it was made larger, as JSON; its record is that of the original
ALTER TABLE upscales ADD COLUMN reproduces TEXT; -- the picture that it makes again; it may be gone by now
CREATE INDEX upscales_by_original ON upscales (reproduces);
