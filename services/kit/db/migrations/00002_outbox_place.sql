-- +goose Up
-- A failed message leaves again under its old id, maybe before the first copy is forgotten: a row
-- has a key of its own. SQLite cannot change a primary key.
ALTER TABLE outbox RENAME TO outbox_before;
CREATE TABLE outbox (
    place    TEXT PRIMARY KEY, -- sorts by time
    id       TEXT NOT NULL,
    exchange TEXT NOT NULL,
    key      TEXT NOT NULL,
    header   TEXT NOT NULL,
    body     TEXT NOT NULL
);
INSERT INTO outbox (place, id, exchange, key, header, body)
    SELECT id, id, exchange, key, header, body FROM outbox_before;
DROP TABLE outbox_before;
