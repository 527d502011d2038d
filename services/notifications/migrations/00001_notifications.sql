-- +goose Up
CREATE TABLE notifications (
    id          TEXT PRIMARY KEY,
    request_id  TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL, -- of the request: tells a repeated one from another
    request     TEXT NOT NULL, -- JSON
    header      TEXT NOT NULL, -- JSON: trace and correlation id of the request
    user_id     TEXT NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    tries       BIGINT NOT NULL,
    due         BIGINT NOT NULL, -- when to dispatch it next, in Unix milliseconds
    created_at  TIMESTAMP NOT NULL,
    updated_at  TIMESTAMP NOT NULL
);
CREATE INDEX notifications_user ON notifications (user_id, id);
CREATE INDEX notifications_due ON notifications (due) WHERE status = 'accepted';

CREATE TABLE deliveries (
    notification_id TEXT NOT NULL REFERENCES notifications (id),
    channel         TEXT NOT NULL,
    status          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    updated_at      TIMESTAMP NOT NULL,
    PRIMARY KEY (notification_id, channel)
);

CREATE TABLE failed (
    id         TEXT PRIMARY KEY,
    queue      TEXT NOT NULL,
    message_id TEXT NOT NULL,
    exchange   TEXT NOT NULL,
    key        TEXT NOT NULL,
    header     TEXT NOT NULL, -- JSON
    body       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    attempts   BIGINT NOT NULL,
    failed_at  TIMESTAMP NOT NULL,
    UNIQUE (queue, message_id)
);

-- +goose Down
DROP TABLE failed;
DROP TABLE deliveries;
DROP TABLE notifications;
