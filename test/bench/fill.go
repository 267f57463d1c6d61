package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/catalog/sqlstore"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/service"
)

// fill makes a catalog with a vault, its instances and all their recovery points.
// The documents are the product's own; they are written past the store, which
// would take an hour.
func (p *apiPlace) fill(ctx context.Context) (err error) {
	s, err := service.Open(ctx, p.options()) // makes tables, tenant and subscription
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return err
	}
	admin, err := p.admin()
	if err != nil {
		return err
	}
	p.Vault = "/subscriptions/" + admin.Subscription + "/resourceGroups/bench" + apiVault
	db, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	w := &filler{db: db}
	err = p.documents(w, func() error {
		if len(w.docs) < 20_000 {
			return nil
		}
		return w.flush(ctx)
	})
	return errors.Join(err, w.flush(ctx), w.analyze(ctx))
}

func (p *apiPlace) open(ctx context.Context) (*sqlstore.DB, error) {
	if p.Database != "" {
		return sqlstore.OpenPostgres(ctx, p.Database, 0)
	}
	return sqlstore.OpenSQLite(filepath.Join(p.Dir, "catalog.db"))
}

// documents writes all documents, and calls after now and then.
func (p *apiPlace) documents(tx catalog.Tx, after func() error) error {
	group := inventory.ResourceGroup{Meta: backup.Meta{ID: p.group(), Location: "local"}}
	vault := backup.Vault{Meta: backup.Meta{ID: p.Vault, Location: "local"}, UID: fmt.Sprintf("%032x", 1),
		Storage: []backup.StorageSetting{{Tier: backup.TierVault, Redundancy: "LocallyRedundant"}}}
	if err := errors.Join(inventory.ResourceGroups.Put(tx, &group), inventory.Vaults.Put(tx, &vault)); err != nil {
		return err
	}
	for n := range p.Instances {
		cluster := backup.Cluster{Meta: backup.Meta{ID: p.cluster(n), Location: "local"}}
		i := backup.Instance{Meta: backup.Meta{ID: p.instance(n)}, UID: fmt.Sprintf("%032x", n), FriendlyName: "shop",
			Datasource: backup.Datasource{ID: p.cluster(n), Type: backup.DatasourceAKS, ResourceName: fmt.Sprintf("cluster-%05d", n), Location: "local"},
			PolicyID:   p.Vault + "/backupPolicies/standard", SnapshotGroupID: p.group(), Protection: backup.ProtectionConfigured}
		if err := errors.Join(inventory.Clusters.Put(tx, &cluster), inventory.Instances.Put(tx, &i)); err != nil {
			return err
		}
		for m := range apiPoints {
			r := p.recoveryPoint(i, n, m)
			if err := inventory.RecoveryPoints.Put(tx, &r); err != nil {
				return err
			}
		}
		if err := after(); err != nil {
			return err
		}
	}
	return nil
}

// newestPoint is the time of each instance's newest recovery point.
var newestPoint = time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC)

func (p *apiPlace) recoveryPoint(i backup.Instance, n, m int) backup.RecoveryPoint {
	at := newestPoint.Add(-time.Duration(m) * 4 * time.Hour)
	r := backup.RecoveryPoint{Meta: backup.Meta{ID: p.point(n, m)}, Time: at, PolicyID: i.PolicyID, Tag: "Default", TagVersion: "638000000000000000",
		JobID: fmt.Sprintf("%s/backupJobs/%036x", p.Vault, n*apiPoints+m), Namespaces: []string{"shop"}, Objects: 250,
		Stores: []backup.RecoveryStore{{ID: fmt.Sprintf("%036x", m), Tier: backup.TierOperational, Created: at, Expires: at.AddDate(1, 0, 0), Bytes: 1 << 20,
			ContainerID: p.group() + "/providers/Microsoft.Storage/storageAccounts/operational/blobServices/default/containers/prod",
			Prefix:      "repositories/" + i.UID + "/", Root: fmt.Sprintf("%064x", m)}}}
	for v := range 3 {
		r.Volumes = append(r.Volumes, backup.RecoveryVolume{Namespace: "shop", Claim: fmt.Sprintf("data-%d", v), Protected: true, SizeBytes: 10 << 30})
	}
	return r
}

// filler takes documents as a transaction does, and writes them in bulk.
type filler struct {
	db   *sqlstore.DB
	docs []catalog.Document
}

var errWriteOnly = errors.New("the filler only puts")

// Get is not for a filler.
func (*filler) Get(string, string) (catalog.Document, error) {
	return catalog.Document{}, errWriteOnly
}

// List is not for a filler.
func (*filler) List(catalog.Query) ([]catalog.Document, error) { return nil, errWriteOnly }

// Delete is not for a filler.
func (*filler) Delete(string, string, string) error { return errWriteOnly }

// Enqueue drops the work that documents ask for: it is not what is measured.
func (*filler) Enqueue(catalog.Job) error { return nil }

// Put keeps a document until flush.
func (f *filler) Put(doc catalog.Document, _ string) (catalog.Document, error) {
	doc.ETag = rand.Text()
	f.docs = append(f.docs, doc)
	return doc, catalog.Check(doc)
}

// flush writes what was put.
func (f *filler) flush(ctx context.Context) error {
	var documents, labels [][]any
	for _, doc := range f.docs {
		text, err := json.Marshal(doc.Labels)
		if err != nil {
			return err
		}
		documents = append(documents, []any{doc.Kind, doc.ID, doc.ETag, string(text), []byte(doc.Body)})
		for name, value := range doc.Labels {
			labels = append(labels, []any{doc.Kind, doc.ID, name, value})
		}
	}
	f.docs = nil
	if f.db.Engine != nil {
		return errors.Join(f.copy(ctx, "documents", []string{"kind", "id", "etag", "labels", "body"}, documents),
			f.copy(ctx, "document_labels", []string{"kind", "id", "name", "value"}, labels))
	}
	return errors.Join(f.insert(ctx, `INSERT INTO documents (kind, id, etag, labels, body) VALUES (?, ?, ?, ?, ?)`, documents),
		f.insert(ctx, `INSERT INTO document_labels (kind, id, name, value) VALUES (?, ?, ?, ?)`, labels))
}

// analyze gathers the statistics that PostgreSQL gathers by itself, minutes after
// many documents were written, and plans badly without.
func (f *filler) analyze(ctx context.Context) error {
	if f.db.Engine == nil {
		return nil
	}
	_, err := f.db.Engine.Exec(ctx, `ANALYZE documents, document_labels`)
	return err
}

func (f *filler) copy(ctx context.Context, table string, columns []string, rows [][]any) error {
	_, err := f.db.Engine.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	return err
}

func (f *filler) insert(ctx context.Context, statement string, rows [][]any) error {
	tx, err := f.db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	insert, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, row := range rows {
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
