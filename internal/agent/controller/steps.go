package controller

import "context"

// step is one short, repeatable part of a run.
type step struct {
	name    string
	message string // one sentence for people, while it runs
	run     func(ctx context.Context) error
}

// runSteps takes the steps in order until one fails, the context ends, or over
// says that the rest is not needed.
func runSteps(ctx context.Context, j *journal, steps []step, over func() bool) error {
	for _, s := range steps {
		if over() {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return problemOf(ctx, s.name, err)
		}
		j.begin(s.name, s.message)
		if err := s.run(ctx); err != nil {
			return problemOf(ctx, s.name, err)
		}
	}
	return nil
}

// never is for steps that are all needed.
func never() bool { return false }
