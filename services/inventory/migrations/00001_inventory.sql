-- +goose Up
CREATE TABLE levels (
    item_id   TEXT PRIMARY KEY,
    available BIGINT NOT NULL CHECK (available >= 0),
    reserved  BIGINT NOT NULL CHECK (reserved >= 0),
    sold      BIGINT NOT NULL CHECK (sold >= 0),
    received  BIGINT NOT NULL,
    version   BIGINT NOT NULL,
    CHECK (available + reserved + sold = received)
);

CREATE TABLE reservations (
    order_id   TEXT PRIMARY KEY,
    state      TEXT NOT NULL,   -- held, sold, released, expired
    lines      TEXT NOT NULL,   -- JSON: [{item_id, quantity}], in the order of the items
    expires_at BIGINT NOT NULL  -- of one that is held, in Unix milliseconds
);
CREATE INDEX reservations_due ON reservations (expires_at) WHERE state = 'held';

CREATE TABLE receipts (
    receipt_id TEXT PRIMARY KEY,
    item_id    TEXT NOT NULL,
    quantity   BIGINT NOT NULL
);

CREATE TABLE leases (
    name  TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    until BIGINT NOT NULL
);
INSERT INTO leases (name, owner, until) VALUES ('expiry', '', 0);

-- +goose Down
DROP TABLE leases;
DROP TABLE receipts;
DROP TABLE reservations;
DROP TABLE levels;
