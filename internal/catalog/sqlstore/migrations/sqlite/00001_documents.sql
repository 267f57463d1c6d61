-- +goose Up
CREATE TABLE documents (
    kind   TEXT NOT NULL,
    id     TEXT NOT NULL,
    etag   TEXT NOT NULL,
    labels TEXT NOT NULL, -- as JSON, to be read with the document
    body   BLOB NOT NULL,
    PRIMARY KEY (kind, id)
);

-- The same labels once more, to be searched.
CREATE TABLE document_labels (
    kind  TEXT NOT NULL,
    id    TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, id, name)
) WITHOUT ROWID;

CREATE INDEX document_labels_by_value ON document_labels (kind, name, value, id);

-- +goose Down
DROP TABLE document_labels;
DROP TABLE documents;
