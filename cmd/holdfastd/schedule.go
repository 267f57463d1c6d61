package main

import (
	"github.com/spf13/pflag"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/service"
	"holdfast.dev/holdfast/internal/workflow"
)

// scheduleFlags are the flags of how backups are started.
func scheduleFlags(f *pflag.FlagSet, o *service.Options) {
	f.DurationVar(&o.Schedule.Window, "backup-window", workflow.DefaultWindow, "how long after the time of its policy a backup may start, up to 2h; starts are spread over three quarters of it")
	f.IntVar(&o.Schedule.AtOnce, "backups-at-once", workflow.DefaultAtOnce, "how many backups may run when a scheduled one is started")
	f.IntVar(&o.Schedule.PerCluster, "backups-per-cluster", workflow.DefaultPerCluster, "how many backups of one cluster may run when a scheduled one is started")
	f.IntVar(&o.Daily.Backups, "daily-backups", backup.MaxPerDay, "how many on-demand backups of an instance may be started in 24 hours")
	f.IntVar(&o.Daily.Restores, "daily-restores", backup.MaxPerDay, "how many restores of an instance may be started in 24 hours")
}
