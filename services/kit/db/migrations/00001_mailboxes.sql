-- +goose Up
CREATE TABLE outbox (
    id       TEXT PRIMARY KEY,
    exchange TEXT NOT NULL,
    key      TEXT NOT NULL,
    header   TEXT NOT NULL,
    body     TEXT NOT NULL
);
CREATE TABLE outbox_lease (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO outbox_lease (name, owner, until) VALUES ('relay', '', 0);
CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    id       TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (consumer, id)
);
CREATE INDEX inbox_at ON inbox (at);
