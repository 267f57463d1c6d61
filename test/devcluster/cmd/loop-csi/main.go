// Command loop-csi is the storage driver of a development cluster.
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"syscall"

	"holdfast.dev/holdfast/test/devcluster/csi"
)

func main() {
	var o csi.Options
	flag.StringVar(&o.Name, "name", "loop.csi.holdfast.dev", "driver name")
	flag.StringVar(&o.Node, "node", "", "name of this node")
	flag.StringVar(&o.Pool, "pool", "", "folder for volumes, on a file system with reflinks")
	flag.StringVar(&o.Endpoint, "endpoint", "", "path of the CSI socket")
	flag.StringVar(&o.Registration, "registration", "", "path of the registration socket for kubelet")
	flag.BoolVar(&o.Snapshots, "snapshots", true, "offer snapshots and clones")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	driver, err := csi.New(o)
	if err != nil {
		log.Fatal(err)
	}
	if err := driver.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
