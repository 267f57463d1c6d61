package agenthub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agentops"
	"holdfast.dev/holdfast/internal/catalog"
)

const (
	longestPoll = 55 * time.Second
	// lookAgain is how often a waiting claim looks without being rung for: an
	// operation may be posted by another replica, or its lease run out.
	lookAgain = 5 * time.Second
	// releaseTime bounds giving back an operation that nobody took.
	releaseTime = 5 * time.Second
)

// claim waits for an operation and hands it out; 204 when there was none.
func (h *Hub) claim(ctx context.Context, agent Agent, _ *http.Request, in agentv1.ClaimRequest) (any, error) {
	if err := checkCapability(in.Capability); err != nil {
		return nil, err
	}
	err := h.Store.Update(ctx, func(tx catalog.Tx) error { return h.seen(tx, agent, in.Facts, in.Health) })
	if err != nil {
		return nil, err
	}
	wait := min(max(time.Duration(in.WaitSeconds)*time.Second, 0), longestPoll)
	over := time.NewTimer(wait)
	defer over.Stop()
	line := agentops.Line(agent.ClusterID, agent.Role)
	for {
		rung := h.Bell.Waiting(line)
		operation, err := h.next(ctx, line)
		if err != nil || operation != nil {
			return anyOf(operation), err
		}
		look := time.NewTimer(lookAgain)
		select {
		case <-rung:
		case <-look.C:
		case <-over.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		look.Stop()
	}
}

// anyOf keeps a nil pointer from becoming a non-nil any.
func anyOf(operation *agentv1.Operation) any {
	if operation == nil {
		return nil
	}
	return operation
}

// next takes an operation of the line, puts its secrets in, and returns it as
// it goes over the wire; nil when there is none.
func (h *Hub) next(ctx context.Context, line string) (*agentv1.Operation, error) {
	for {
		taken, token, found, err := h.take(ctx, line)
		if err != nil || !found {
			return nil, err
		}
		spec, err := h.Completer.Complete(ctx, taken)
		var problem *agentv1.Problem
		switch {
		case errors.As(err, &problem):
			if err := h.end(ctx, taken.ID, token, *problem); err != nil {
				return nil, err
			}
		case err != nil || ctx.Err() != nil: // an error of ours, or the caller has gone
			return nil, errors.Join(fmt.Errorf("complete operation %s: %w", taken.ID, errors.Join(err, ctx.Err())), h.release(ctx, taken.ID, token))
		default:
			h.Log.Info("operation handed out", "operation", taken.ID, "kind", taken.Kind, "cluster", taken.ClusterID, "attempt", taken.Attempts)
			return wire(taken, token, spec), nil
		}
	}
}

// take claims an operation. Most looks find none, so the first one is made
// without a writing transaction, of which there is only one at a time.
func (h *Hub) take(ctx context.Context, line string) (taken agentops.Operation, token string, found bool, err error) {
	err = h.Store.View(ctx, func(tx catalog.Tx) (err error) {
		_, found, err = agentops.Next(tx, h.Clock.Now(), line)
		return err
	})
	if err != nil || !found {
		return taken, "", false, err
	}
	err = h.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		taken, token, found, err = agentops.Claim(tx, h.Clock.Now(), line)
		return err
	})
	return taken, token, found, err
}

func wire(o agentops.Operation, token string, spec json.RawMessage) *agentv1.Operation {
	return &agentv1.Operation{
		ID: o.ID, Kind: o.Kind, Deadline: o.Deadline, Spec: spec,
		Lease: agentv1.Lease{Token: token, Seconds: int(agentops.LeaseTime / time.Second)},
	}
}

// end finishes an operation that could not even be handed out.
func (h *Hub) end(ctx context.Context, id, token string, problem agentv1.Problem) error {
	return h.Store.Update(ctx, func(tx catalog.Tx) error {
		return agentops.Finish(tx, h.Clock.Now(), id, agentv1.FinishRequest{
			LeaseToken: token, Outcome: agentv1.OutcomeFailed, Problem: &problem,
		})
	})
}

// release gives an operation back at once rather than after its lease. It
// must happen although the caller has gone.
func (h *Hub) release(ctx context.Context, id, token string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	return h.Store.Update(ctx, func(tx catalog.Tx) error { return agentops.Release(tx, h.Clock.Now(), id, token) })
}

// extend renews a lease.
func (h *Hub) extend(ctx context.Context, agent Agent, r *http.Request, in agentv1.ExtendRequest) (any, error) {
	var extended agentops.Operation
	err := h.Store.Update(ctx, func(tx catalog.Tx) (err error) {
		if err := checkOwner(tx, agent, r.PathValue("id")); err != nil {
			return err
		}
		if err := h.alive(tx, agent); err != nil {
			return err
		}
		extended, err = agentops.Extend(tx, h.Clock.Now(), r.PathValue("id"), in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return agentv1.ExtendResponse{
		LeaseSeconds:    int(agentops.LeaseTime / time.Second),
		CancelRequested: extended.CancelRequested,
	}, nil
}

// finish ends an operation.
func (h *Hub) finish(ctx context.Context, agent Agent, r *http.Request, in agentv1.FinishRequest) (any, error) {
	switch in.Outcome {
	case agentv1.OutcomeSucceeded, agentv1.OutcomeFailed, agentv1.OutcomeCancelled:
	default:
		return nil, &agentv1.Problem{Code: codeBadRequest, Message: fmt.Sprintf("outcome %q is not Succeeded, Failed or Cancelled", in.Outcome)}
	}
	id := r.PathValue("id")
	err := h.Store.Update(ctx, func(tx catalog.Tx) error {
		if err := checkOwner(tx, agent, id); err != nil {
			return err
		}
		return agentops.Finish(tx, h.Clock.Now(), id, in)
	})
	if err != nil {
		return nil, err
	}
	h.Log.Info("operation finished", "operation", id, "outcome", in.Outcome, "cluster", agent.ClusterID)
	return nil, nil
}

// checkOwner keeps an agent away from the operations of others, whose tokens
// it could not know anyhow.
func checkOwner(tx catalog.Tx, agent Agent, id string) error {
	operation, err := agentops.Get(tx, id)
	if errors.Is(err, catalog.ErrNotFound) || (err == nil && operation.Line() != agentops.Line(agent.ClusterID, agent.Role)) {
		return fmt.Errorf("operation %s: %w", id, agentops.ErrLeaseLost)
	}
	return err
}
