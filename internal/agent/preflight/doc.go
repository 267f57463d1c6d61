// Package preflight says whether the extension may be installed in a cluster,
// and why not: Decide is a pure function over the facts that Collect gathers.
package preflight
