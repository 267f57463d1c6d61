package collect

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// LabelSelector reads the label selectors of a selection, which all must hold.
// Besides the Kubernetes syntax it accepts "key:value" and ";" between terms.
// No selectors select everything.
func LabelSelector(selection agentv1.Selection) (labels.Selector, error) {
	var terms []string
	for _, written := range selection.LabelSelectors {
		for term := range strings.SplitSeq(written, ";") {
			if term = strings.TrimSpace(term); term != "" {
				terms = append(terms, canonicalTerm(term))
			}
		}
	}
	selector, err := labels.Parse(strings.Join(terms, ","))
	if err != nil {
		return nil, fmt.Errorf("label selectors %q: %w", selection.LabelSelectors, err)
	}
	return selector, nil
}

func canonicalTerm(term string) string {
	if strings.ContainsAny(term, "=!()") {
		return term
	}
	if key, value, found := strings.Cut(term, ":"); found {
		return strings.TrimSpace(key) + "=" + strings.TrimSpace(value)
	}
	return term
}
