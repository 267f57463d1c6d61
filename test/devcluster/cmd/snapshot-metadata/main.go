// Command snapshot-metadata stands beside the storage driver of a development
// cluster and tells pods which blocks of its snapshots are allocated or changed.
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"

	"holdfast.dev/holdfast/test/devcluster/sidecar"
)

func main() {
	var o sidecar.Options
	flag.StringVar(&o.Driver, "driver", "", "name of the storage driver")
	flag.StringVar(&o.Socket, "csi-address", "", "path of the driver's socket")
	flag.StringVar(&o.PKI, "pki", "", "folder with the administrator's certificate")
	flag.StringVar(&o.API, "api", "", "URL of the API server")
	flag.StringVar(&o.Listen, "listen", "", "IP address and port to serve at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := sidecar.Run(ctx, o); err != nil {
		log.Fatal(err)
	}
}
