// Package deploy carries the charts that the programs install.
package deploy

import (
	"embed"
	"io/fs"
)

//go:embed all:charts
var charts embed.FS

// Names of the charts.
const (
	Extension = "holdfast"
	Connector = "holdfast-connector"
)

// Chart returns the files of one chart, rooted at its Chart.yaml.
func Chart(name string) (fs.FS, error) { return fs.Sub(charts, "charts/"+name) }
