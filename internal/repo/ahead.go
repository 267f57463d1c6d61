package repo

import (
	"context"
	"iter"
)

// readAhead is how many fetches run before their result is asked for.
const readAhead = 8

// result is what a fetch gives.
type result[T any] struct {
	value T
	err   error
}

// ahead yields the results of the fetches that list hands out, in its order,
// running some of them before they are asked for. The first error ends the
// sequence; so does the end of ctx, with its error.
func ahead[T any](ctx context.Context, list func(ctx context.Context, hand func(fetch func() (T, error)) bool)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		for waiting := range launch(inner, list) {
			r := <-waiting
			if !yield(r.value, r.err) || r.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil { // what was read so far is not all
			var none T
			yield(none, err)
		}
	}
}

// launch starts fetches in order, and gives a channel for the result of each.
func launch[T any](ctx context.Context, list func(context.Context, func(func() (T, error)) bool)) <-chan chan result[T] {
	queue := make(chan chan result[T], readAhead)
	go func() {
		defer close(queue)
		list(ctx, func(fetch func() (T, error)) bool {
			waiting := make(chan result[T], 1)
			select {
			case queue <- waiting:
			case <-ctx.Done():
				return false
			}
			go func() {
				value, err := fetch()
				waiting <- result[T]{value, err}
			}()
			return true
		})
	}()
	return queue
}
