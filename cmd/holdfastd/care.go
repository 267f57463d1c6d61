package main

import (
	"github.com/spf13/pflag"

	"holdfast.dev/holdfast/internal/service"
)

// careFlags are the flags of how vaults are looked after.
func careFlags(f *pflag.FlagSet, o *service.Options) {
	c := service.DefaultCare()
	f.DurationVar(&o.Care.CollectEvery, "vault-collect-every", c.CollectEvery, "how often what no recovery point needs is deleted from each repository in a vault; 0 only after deletions")
	f.DurationVar(&o.Care.VerifyEvery, "vault-verify-every", c.VerifyEvery, "how often each repository in a vault is verified; 0 only when somebody asks")
	f.StringVar(&o.Care.VerifyData, "vault-verify-data", c.VerifyData, "what of the data is read by that: none, sample or all")
	f.Float64Var(&o.Care.Sample, "vault-verify-sample", c.Sample, "the share of the data that a sample is, from 0 to 1")
	f.IntVar(&o.Care.AtOnce, "vault-upkeep-at-once", c.AtOnce, "how many repositories are collected or verified at a time")
}
