-- +goose Up
CREATE TABLE bookings (
    txn    BIGINT PRIMARY KEY,
    ref    TEXT NOT NULL,
    op     TEXT NOT NULL, -- SALE, REFUND
    amount BIGINT NOT NULL, -- in cents
    rc     TEXT NOT NULL,
    UNIQUE (ref, op)
);

CREATE TABLE tries (
    ref TEXT PRIMARY KEY,
    n   BIGINT NOT NULL -- how often tok_later was asked
);

CREATE TABLE items (
    no    TEXT PRIMARY KEY,
    title TEXT NOT NULL,
    price BIGINT NOT NULL -- in cents
);

CREATE TABLE pushes (
    place  BIGINT PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE,
    device TEXT NOT NULL,
    title  TEXT NOT NULL,
    body   TEXT NOT NULL
);

-- +goose Down
DROP TABLE pushes;
DROP TABLE items;
DROP TABLE tries;
DROP TABLE bookings;
