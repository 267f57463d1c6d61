package workflow

import (
	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/operations"
)

// Converters between the domain and what goes to clusters and operations.

func wireProblem(p backup.Problem) agentv1.Problem {
	return agentv1.Problem{Code: string(p.Code), Message: p.Message, Target: p.Target, Actions: p.Actions, Retryable: p.Retryable}
}

func domainProblem(p agentv1.Problem) backup.Problem {
	return backup.Problem{Code: backup.Code(p.Code), Message: p.Message, Target: p.Target, Actions: p.Actions, Retryable: p.Retryable}
}

func domainWarnings(list []agentv1.Warning) []backup.Warning {
	out := make([]backup.Warning, 0, len(list))
	for _, w := range list {
		out = append(out, backup.Warning{Resource: w.Resource, Problem: domainProblem(w.Problem)})
	}
	return out
}

func operationProblem(p *backup.Problem) operations.Problem {
	return operations.Problem{
		Code: string(p.Code), Message: p.Message, Target: p.Target, Actions: p.Actions,
		Retryable: p.Retryable, UserError: p.Code != backup.CodeInternal,
	}
}

func wireSelection(s backup.Selection) agentv1.Selection {
	return agentv1.Selection{
		IncludedNamespaces: s.IncludedNamespaces, ExcludedNamespaces: s.ExcludedNamespaces,
		IncludedResourceTypes: s.IncludedResourceTypes, ExcludedResourceTypes: s.ExcludedResourceTypes,
		LabelSelectors: s.LabelSelectors, IncludeClusterScopeResources: s.ClusterScoped,
	}
}
