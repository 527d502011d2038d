-- +goose Up
CREATE TABLE handled (
    message_id TEXT PRIMARY KEY,
    event_key  TEXT NOT NULL,
    about      TEXT NOT NULL,
    at         TIMESTAMP NOT NULL
);

-- +goose Down
DROP TABLE handled;
