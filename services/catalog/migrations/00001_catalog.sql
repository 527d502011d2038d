-- +goose Up
CREATE TABLE items (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    amount      BIGINT NOT NULL, -- price in the smallest unit of its currency
    currency    TEXT NOT NULL,
    version     BIGINT NOT NULL,
    updated_at  TIMESTAMP NOT NULL
);

-- What inventory told of an item's stock, maybe before catalog hears of the item.
CREATE TABLE stock (
    item_id   TEXT PRIMARY KEY,
    available BIGINT NOT NULL,
    version   BIGINT NOT NULL -- inventory's
);

-- Items that changed and may still be in the cache as they were.
CREATE TABLE stale (
    item_id TEXT PRIMARY KEY,
    mark    TEXT NOT NULL -- new with each change
);

-- +goose Down
DROP TABLE stale;
DROP TABLE stock;
DROP TABLE items;
