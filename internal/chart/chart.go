// Package chart installs, upgrades and removes one of the embedded charts.
//
// Every call may be repeated and may be killed at any moment: what a killed
// call left half done, the next one completes. Waiting for pods to be ready is
// the caller's business; see Problems.
package chart

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	release "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/client-go/rest"
)

// Release is one chart under one name in one namespace.
type Release struct {
	Name      string
	Namespace string
	Files     fs.FS        // the chart, rooted at its Chart.yaml
	Config    *rest.Config // of the cluster
	Log       *slog.Logger
}

// definitions is the folder of a chart's custom resource definitions. They are
// applied apart from the release, because helm only ever creates them.
const definitions = "crds/"

// load reads the chart without its definitions, and these.
func (r Release) load() (*chartv2.Chart, [][]byte, error) {
	var files []*archive.BufferedFile
	var crds [][]byte
	err := fs.WalkDir(r.Files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(r.Files, path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(path, definitions) {
			crds = append(crds, data)
		} else {
			files = append(files, &archive.BufferedFile{Name: path, Data: data})
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read chart %s: %w", r.Name, err)
	}
	chart, err := loader.LoadFiles(files)
	if err != nil {
		return nil, nil, fmt.Errorf("load chart %s: %w", r.Name, err)
	}
	return chart, crds, nil
}

// Version is the version of the embedded chart.
func (r Release) Version() (string, error) {
	chart, _, err := r.load()
	if err != nil {
		return "", err
	}
	return chart.Metadata.Version, nil
}

// Render returns the chart's manifests and definitions as one stream of YAML
// documents, without a cluster.
func (r Release) Render(ctx context.Context, values map[string]any) (string, error) {
	chart, crds, err := r.load()
	if err != nil {
		return "", err
	}
	install := action.NewInstall(action.NewConfiguration())
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName, install.Namespace = r.Name, r.Namespace
	install.KubeVersion = &common.KubeVersion{Version: "v1.37.2", Major: "1", Minor: "37"}
	rendered, err := install.RunWithContext(ctx, chart, values)
	if err != nil {
		return "", fmt.Errorf("render chart %s: %w", r.Name, err)
	}
	var all strings.Builder
	for _, crd := range crds {
		all.WriteString("---\n" + string(crd) + "\n")
	}
	all.WriteString(rendered.(*release.Release).Manifest)
	return all.String(), nil
}
