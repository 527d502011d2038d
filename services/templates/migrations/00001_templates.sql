-- +goose Up
CREATE TABLE templates (
    id         TEXT NOT NULL,
    version    BIGINT NOT NULL,
    content    TEXT NOT NULL, -- JSON: default language, and language -> channel -> text
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (id, version)
);

-- +goose Down
DROP TABLE templates;
