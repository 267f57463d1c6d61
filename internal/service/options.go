// Package service puts the rooms of holdfastd together: catalog, job engine,
// workflow, the doors and their listeners. It decides nothing.
package service

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/workflow"
)

// Options are what a person sets.
type Options struct {
	DataDir string // catalog, keys, certificates and default stores
	// Database is the URL of a PostgreSQL database for catalog and work; empty for
	// a SQLite file in the data directory. With PostgreSQL any number of replicas
	// serve, which share the data directory.
	Database            string
	DatabaseConnections int // of this process to PostgreSQL; 0 is sqlstore.Connections

	Listen        string // host:port of the public API
	AgentListen   string // host:port that agents call
	MetricsListen string // host:port for Prometheus, without sign-in; empty for none
	// Advertise are the host names and addresses by which clients and agents
	// reach the service. The first is the one put into addresses.
	Advertise []string
	// TLSCert and TLSKey are files of the service's certificate chain and key;
	// empty for a certificate of the service's own authority. TLSCA is the file
	// of the authority clients trust it by, when that is not a public one.
	TLSCert, TLSKey, TLSCA string
	// StoreFolders are the absolute folders below which storage accounts may
	// have stores of their own.
	StoreFolders []string
	// KeyProvider is the URL of what wraps keys, as byurl has it; empty for the
	// file kek of the data directory. OldKeyProviders wrapped keys before, and
	// still unwrap them, until RotateKeys has wrapped all anew.
	KeyProvider     string
	OldKeyProviders []string
	// VaultStore is where the vaults lie, as location.Location has it: the URL,
	// and where it needs them the account and its key, or a file of the key; empty
	// for a folder of the data directory. Clusters reach it through the gate only.
	VaultStore, VaultStoreAccount, VaultStoreKey, VaultStoreKeyFile string
	// VaultLimits bound the copying of a recovery point into a vault; zero is no
	// limit.
	VaultLimits agentv1.VaultLimits
	// Schedule says how backups that are due are started, Daily how many backups and
	// restores of an instance users may start in 24 hours; zero values mean the
	// defaults.
	Schedule workflow.Schedule
	Daily    backup.Daily
	// Care is how repositories in the vault are looked after; not by itself when zero.
	Care Care
	// RegionsFile is the YAML file of regions, with the stores that vaults are
	// replicated into; empty for none. ReplicaRefresh is how often those stores are
	// looked into; a minute when zero.
	RegionsFile    string
	ReplicaRefresh time.Duration

	// Clock is what schedules, retention and the work go by.
	Clock clock.Clock
	// SignIn is what certificates, tokens and grants go by; Clock when nil. It must
	// be the time of everybody else: clusters and users check them, too. So only a
	// service whose Clock is not the machine's, because years are lived through in
	// minutes, has one of its own.
	SignIn clock.Clock
	Log    *slog.Logger
}

// signIn is the clock of sign-in.
func (o Options) signIn() clock.Clock {
	if o.SignIn != nil {
		return o.SignIn
	}
	return o.Clock
}

func (o Options) check() error {
	switch {
	case o.DataDir == "":
		return errors.New("a data directory is required")
	case len(o.Advertise) == 0:
		return errors.New("at least one advertised host name or address is required")
	case (o.TLSCert == "") != (o.TLSKey == ""):
		return errors.New("a TLS certificate and its key must be given together")
	}
	if o.VaultStore == "" && o.VaultStoreAccount+o.VaultStoreKey+o.VaultStoreKeyFile != "" {
		return errors.New("credentials of the vault store are given without its URL")
	}
	for _, host := range o.Advertise {
		if host == "" || strings.ContainsAny(host, "/ ") {
			return fmt.Errorf("advertised host %q is not a host name or address", host)
		}
	}
	return o.Care.check()
}

func (o Options) path(name string) string { return filepath.Join(o.DataDir, name) }

// makeDataDir makes the data directory, for the owner only.
func (o Options) makeDataDir() error {
	if err := os.MkdirAll(o.path("storage"), 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// storageRoot is where accounts without a store of their own lie.
func (o Options) storageRoot() (string, error) {
	absolute, err := filepath.Abs(o.path("storage"))
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return "file://" + absolute, nil
}

// urls returns the addresses of a listener under every advertised host.
func (o Options) urls(listener net.Listener) []string {
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		port = "" // a TCP listener always has one
	}
	urls := make([]string, 0, len(o.Advertise))
	for _, host := range o.Advertise {
		urls = append(urls, "https://"+net.JoinHostPort(host, port))
	}
	return urls
}
