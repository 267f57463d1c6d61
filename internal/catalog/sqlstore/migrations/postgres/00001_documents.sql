-- +goose Up
-- IDs are compared byte by byte, whatever the language of the database.
CREATE TABLE documents (
    kind   TEXT COLLATE "C" NOT NULL,
    id     TEXT COLLATE "C" NOT NULL,
    etag   TEXT COLLATE "C" NOT NULL,
    labels TEXT NOT NULL, -- as JSON, to be read with the document
    body   BYTEA NOT NULL,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 80); -- room for changed documents beside the old ones

-- The same labels once more, to be searched.
CREATE TABLE document_labels (
    kind  TEXT COLLATE "C" NOT NULL,
    id    TEXT COLLATE "C" NOT NULL,
    name  TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id, name)
);

CREATE INDEX document_labels_by_value ON document_labels (kind, name, value, id);

-- +goose Down
DROP TABLE document_labels;
DROP TABLE documents;
