package service

import (
	"errors"
	"time"

	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/workflow"
)

// Care is how repositories in the vault are looked after.
type Care struct {
	CollectEvery time.Duration // garbage is collected; 0: only after deletions and when asked
	VerifyEvery  time.Duration // 0: only when asked
	VerifyData   string        // none, sample or all; empty for sample
	// Sample is the share of the data that a sample is, 0 to 1.
	Sample float64
	AtOnce int // repositories worked on at a time; at least 1
}

// DefaultCare is what a service does that is not told otherwise.
func DefaultCare() Care {
	return Care{CollectEvery: 24 * time.Hour, VerifyEvery: 24 * time.Hour, VerifyData: string(backup.VerifySample), Sample: 0.01, AtOnce: 2}
}

// shortestCare keeps somebody who mistook the unit from wearing out the store.
const shortestCare = time.Minute

func (c Care) check() error {
	for _, every := range []time.Duration{c.CollectEvery, c.VerifyEvery} {
		if every < 0 || every > 0 && every < shortestCare {
			return errors.New("vaults can be collected and verified every minute at most; 0 is never")
		}
	}
	if c.Sample < 0 || c.Sample > 1 {
		return errors.New("the share of a sample is from 0 to 1")
	}
	if _, problem := backup.ParseVerifyData(c.VerifyData); problem != nil {
		return errors.New("the data that a verification reads is none, sample or all")
	}
	return nil
}

// workflow is c as the workflow has it; c was checked.
func (c Care) workflow() workflow.Care {
	data, _ := backup.ParseVerifyData(c.VerifyData)
	return workflow.Care{CollectEvery: c.CollectEvery, VerifyEvery: c.VerifyEvery, VerifyData: data, Sample: c.Sample, AtOnce: c.AtOnce}
}
