package chart

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v4/pkg/action"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
)

const (
	// applyTimeout bounds one install, upgrade or removal; none waits for pods.
	applyTimeout = 2 * time.Minute
	// keptRevisions is how many records of earlier releases are kept.
	keptRevisions = 3
)

// Apply installs the chart, or upgrades what is installed, with exactly these
// values. It returns when the cluster has taken the objects, not when pods run.
func (r Release) Apply(ctx context.Context, values map[string]any) error {
	chart, crds, err := r.load()
	if err != nil {
		return err
	}
	if err := r.applyDefinitions(ctx, crds); err != nil {
		return err
	}
	config, err := r.configuration()
	if err != nil {
		return err
	}
	fresh, err := recoverRelease(config, r.Name)
	if err != nil {
		return fmt.Errorf("read release %s: %w", r.Name, err)
	}
	if fresh {
		err = r.install(ctx, config, chart, values)
	} else {
		err = r.upgrade(ctx, config, chart, values)
	}
	if err != nil {
		return fmt.Errorf("apply chart %s: %w", r.Name, err)
	}
	return nil
}

func (r Release) install(ctx context.Context, config *action.Configuration, chart *chartv2.Chart, values map[string]any) error {
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace = r.Name, r.Namespace
	install.WaitStrategy, install.Timeout = kube.HookOnlyStrategy, applyTimeout
	install.SkipCRDs, install.DisableOpenAPIValidation = true, true
	install.ServerSideApply, install.ForceConflicts, install.TakeOwnership = true, true, true
	_, err := install.RunWithContext(ctx, chart, values)
	return err
}

func (r Release) upgrade(ctx context.Context, config *action.Configuration, chart *chartv2.Chart, values map[string]any) error {
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.MaxHistory = r.Namespace, keptRevisions
	upgrade.WaitStrategy, upgrade.Timeout = kube.HookOnlyStrategy, applyTimeout
	upgrade.SkipCRDs, upgrade.DisableOpenAPIValidation = true, true
	upgrade.ServerSideApply, upgrade.ForceConflicts, upgrade.TakeOwnership = "true", true, true
	upgrade.ResetValues = true
	_, err := upgrade.RunWithContext(ctx, r.Name, chart, values)
	return err
}

// recoverRelease repairs the record a killed call left behind and reports
// whether the chart must be installed as new. A pending record would refuse
// every later call; one that was never deployed is forgotten, and the install
// takes over the objects it made.
func recoverRelease(config *action.Configuration, name string) (fresh bool, err error) {
	history, err := config.Releases.History(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	deployed := false
	for _, record := range history {
		deployed = deployed || record.(*release.Release).Info.Status == common.StatusDeployed
	}
	for _, record := range history {
		one := record.(*release.Release)
		switch {
		case !deployed:
			_, err = config.Releases.Delete(name, one.Version)
		case one.Info.Status.IsPending():
			one.Info.Status = common.StatusFailed
			err = config.Releases.Update(one)
		}
		if err != nil {
			return false, err
		}
	}
	return !deployed, nil
}

// Remove uninstalls the chart and its definitions, with every custom resource
// of them. What is not there is fine.
func (r Release) Remove(ctx context.Context) error {
	_, crds, err := r.load()
	if err != nil {
		return err
	}
	config, err := r.configuration()
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(config)
	uninstall.IgnoreNotFound = true
	uninstall.WaitStrategy, uninstall.Timeout = kube.HookOnlyStrategy, applyTimeout
	uninstall.DeletionPropagation = "background"
	if _, err := uninstall.Run(r.Name); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return fmt.Errorf("remove chart %s: %w", r.Name, err)
	}
	return r.deleteDefinitions(ctx, crds)
}
