-- +goose Up
-- What happened to orders. A position is given under a lock that is held until the commit, so that
-- whoever reads by position never sees a later event before an earlier one.
CREATE TABLE events (
    order_id TEXT NOT NULL,
    seq      BIGINT NOT NULL,
    position BIGINT NOT NULL UNIQUE,
    kind     TEXT NOT NULL,
    body     TEXT NOT NULL, -- JSON
    at       TIMESTAMP NOT NULL,
    PRIMARY KEY (order_id, seq)
);
CREATE TABLE positions (
    name     TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO positions (name, position) VALUES ('events', 0);

-- Orders that are under way, and which replica drives them until when.
CREATE TABLE sagas (
    order_id TEXT PRIMARY KEY,
    seq      BIGINT NOT NULL, -- of the order's last event
    owner    TEXT NOT NULL,   -- '': nobody
    due      BIGINT NOT NULL, -- when the lease ends, or the next try is due, in Unix milliseconds
    tries    BIGINT NOT NULL, -- since the last event
    card     TEXT NOT NULL,   -- forgotten with the row
    header   TEXT NOT NULL    -- JSON: trace and correlation id of the request
);
CREATE INDEX sagas_due ON sagas (due);

-- The copy of what user.updated tells.
CREATE TABLE names (
    user_id TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    version BIGINT NOT NULL
);

-- The read model. Readers see the one generation that the projection names.
CREATE TABLE order_view (
    generation BIGINT NOT NULL,
    order_id   TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    status     TEXT NOT NULL,
    body       TEXT NOT NULL, -- JSON: the order
    PRIMARY KEY (generation, order_id)
);
CREATE INDEX order_view_user ON order_view (generation, user_id, order_id);
CREATE TABLE projections (
    name       TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    latest     BIGINT NOT NULL, -- generation that was begun last
    position   BIGINT NOT NULL  -- of the last event that it has seen
);
INSERT INTO projections (name, generation, latest, position) VALUES ('order_view', 1, 1, 0);

-- +goose Down
DROP TABLE projections;
DROP TABLE order_view;
DROP TABLE names;
DROP TABLE sagas;
DROP TABLE positions;
DROP TABLE events;
