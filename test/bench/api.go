package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"holdfast.dev/holdfast/client"
	"holdfast.dev/holdfast/internal/clock"
	"holdfast.dev/holdfast/internal/service"
)

// The API is measured at the vault that the product promises to serve, against
// what it promises.
const (
	apiInstances = 5_000
	apiPoints    = 100 // of each instance
	apiPromise   = 50  // ms, the median
	apiRequests  = 300 // of each kind
	apiVersion   = "2025-07-01"
)

// apiPlace is where a service with a full catalog is.
type apiPlace struct {
	Dir, Database string
	Instances     int
	Vault         string
}

// apiCases are the requests, and what they are called. n counts them.
var apiCases = []struct {
	name string
	path func(p apiPlace, random *rand.Rand) string
}{
	{"get-instance", func(p apiPlace, random *rand.Rand) string { return p.instance(random.IntN(p.Instances)) }},
	{"get-recovery-point", func(p apiPlace, random *rand.Rand) string {
		return p.point(random.IntN(p.Instances), random.IntN(apiPoints))
	}},
	{"list-recovery-points", func(p apiPlace, random *rand.Rand) string {
		return p.instance(random.IntN(p.Instances)) + "/recoveryPoints"
	}},
	{"list-instances", func(p apiPlace, _ *rand.Rand) string { return p.Vault + "/backupInstances" }},
	{"list-instances-of-cluster", func(p apiPlace, random *rand.Rand) string {
		return p.cluster(random.IntN(p.Instances)) + "/providers/Microsoft.DataProtection/backupInstances"
	}},
}

// database names what the catalog is in.
func (p apiPlace) database() string {
	if p.Database == "" {
		return "sqlite"
	}
	return "postgres"
}

func (p apiPlace) group() string { return p.Vault[:len(p.Vault)-len(apiVault)] }

const apiVault = "/providers/Microsoft.DataProtection/backupVaults/main"

func (p apiPlace) instance(n int) string {
	return fmt.Sprintf("%s/backupInstances/instance-%05d", p.Vault, n)
}
func (p apiPlace) point(n, m int) string {
	return fmt.Sprintf("%s/recoveryPoints/%032x", p.instance(n), m)
}
func (p apiPlace) cluster(n int) string {
	return fmt.Sprintf("%s/providers/Microsoft.ContainerService/managedClusters/cluster-%05d", p.group(), n)
}

// api measures the API on each database.
func (o options) api(ctx context.Context, dir string, match *regexp.Regexp) error {
	for _, database := range []string{"sqlite", "postgres"} {
		if !apiWanted(match, database) {
			continue
		}
		if err := o.apiOn(ctx, filepath.Join(dir, "api-"+database), database); err != nil {
			return fmt.Errorf("api on %s: %w", database, err)
		}
	}
	return nil
}

func apiWanted(match *regexp.Regexp, database string) bool {
	for _, c := range apiCases {
		if match.MatchString("api-" + c.name + "-" + database) {
			return true
		}
	}
	return false
}

func (o options) apiOn(ctx context.Context, dir, database string) error {
	p, stop, err := o.filledOn(ctx, dir, database, apiInstances)
	if err != nil {
		return err
	}
	defer stop()
	output, err := apart(ctx, p, "-api", "-case", o.cases, "-profile", o.profile)
	fmt.Printf("%s", output)
	return err
}

// apiChild serves and asks in this process, and prints the lines; the place is read
// from standard input.
func (o options) apiChild(ctx context.Context) error {
	match, err := regexp.Compile(o.cases)
	if err != nil {
		return err
	}
	var p apiPlace
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	api, ended, err := p.serve(ctx)
	if err != nil {
		return err
	}
	err = p.settle(ctx)
	for _, c := range apiCases {
		if name := "api-" + c.name + "-" + p.database(); err == nil && match.MatchString(name) {
			err = o.profiledCase(name, func() error { return p.measure(ctx, api, name, c.path) })
		}
	}
	stop()
	return errors.Join(err, <-ended)
}

// settle waits until the service has done what it does about instances that it has
// never seen, such as a first look at all their recovery points.
func (p apiPlace) settle(ctx context.Context) (err error) {
	db, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for {
		done := 0 // each instance has a job that sleeps until the next look
		query := `SELECT count(*) FROM river_job WHERE state = 'scheduled' AND attempted_at IS NOT NULL`
		if err := db.Read.QueryRowContext(ctx, query).Scan(&done); err != nil || done >= p.Instances {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// measure asks for one kind of address, and prints the line.
func (p apiPlace) measure(ctx context.Context, api *client.Client, name string, path func(apiPlace, *rand.Rand) string) error {
	took, err := p.ask(ctx, api, path)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	rss, err := peakMemory("self")
	fmt.Printf("bench %s %.3g ms ratio=%.2f peer=%d-ms rss=%d\n", name, took, apiPromise/took, apiPromise, rss/1e6)
	return err
}

func (p apiPlace) options() service.Options {
	return service.Options{DataDir: p.Dir, Database: p.Database, Listen: "127.0.0.1:0", AgentListen: "127.0.0.1:0", Advertise: []string{"127.0.0.1"},
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)}
}

// serve runs the service until ctx ends.
func (p apiPlace) serve(ctx context.Context) (api *client.Client, ended chan error, err error) {
	s, err := service.Open(ctx, p.options())
	if err != nil {
		return nil, nil, err
	}
	ended = make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	admin, err := p.admin()
	if err != nil {
		return nil, nil, err
	}
	ca, err := os.ReadFile(admin.CAFile)
	if err != nil {
		return nil, nil, err
	}
	token, err := client.ClientCredentials(client.Credentials{
		Address: s.URL, Tenant: admin.Tenant, ClientID: admin.ClientID, Secret: admin.ClientSecret, CA: ca})
	if err != nil {
		return nil, nil, err
	}
	api, err = client.New(client.Config{Address: s.URL, CA: ca, Token: token})
	return api, ended, err
}

func (p apiPlace) admin() (admin service.Admin, err error) {
	raw, err := os.ReadFile(filepath.Join(p.Dir, "admin.json"))
	if err == nil {
		err = json.Unmarshal(raw, &admin)
	}
	return admin, err
}

// ask returns the median time of an answer, in ms.
func (p apiPlace) ask(ctx context.Context, api *client.Client, path func(apiPlace, *rand.Rand) string) (float64, error) {
	random := rand.New(rand.NewPCG(1, 2))
	var times []float64
	for range apiRequests {
		begun := time.Now()
		if _, err := api.Do(ctx, http.MethodGet, path(p, random), apiVersion, nil); err != nil {
			return 0, err
		}
		times = append(times, float64(time.Since(begun).Microseconds())/1000)
	}
	return median(times), nil
}
