-- +goose Up
CREATE TABLE payments (
    order_id      TEXT PRIMARY KEY,
    status        TEXT NOT NULL, -- pending, captured, refused, refunded
    amount        BIGINT NOT NULL, -- in the currency's smallest unit
    currency      TEXT NOT NULL,
    card          TEXT NOT NULL, -- a token of the bank
    captured      BIGINT NOT NULL,
    refunded      BIGINT NOT NULL,
    reason        TEXT NOT NULL,
    refund_wanted BOOLEAN NOT NULL,
    header        TEXT NOT NULL, -- JSON: trace and correlation id of the request
    tries         BIGINT NOT NULL,
    due           BIGINT NOT NULL, -- whose turn it is next, in Unix milliseconds: a lease until then
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL
);
CREATE INDEX payments_due ON payments (due) WHERE status = 'pending' OR refund_wanted;

-- +goose Down
DROP TABLE payments;
