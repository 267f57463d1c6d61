package objstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// ErrUnsafe means that the store does not keep a promise on which repositories rest.
// Nothing must be entrusted to it.
var ErrUnsafe = errors.New("the store is not safe to use")

// TrialPrefix is where CheckPromises writes. What lies there is nobody's: on a
// bucket that does not let objects be deleted it stays.
const TrialPrefix = "holdfast-trial/"

// CheckPromises tries on a store what its repositories rest on: that nothing
// is overwritten, also by one of several writers at a time, and that what was
// written or deleted is seen at once by reads and listings. It returns
// ErrUnsafe for what was broken, and other errors as the store gives them.
// A store that keeps its promises in these ten requests may still break them.
func CheckPromises(ctx context.Context, s Store) error {
	name := TrialPrefix + rand.Text()
	err := tryObject(ctx, s, name)
	if err == nil {
		err = tryRace(ctx, s, name+"-race")
	}
	for _, n := range []string{name, name + "-race"} {
		// An object that must not be deleted is a matter of the bucket's own rules.
		if gone := s.Delete(ctx, n); gone != nil && !errors.Is(gone, ErrForbidden) && err == nil {
			err = gone
		} else if gone == nil && err == nil {
			err = tryGone(ctx, s, n)
		}
	}
	if err != nil {
		return fmt.Errorf("try the store's promises: %w", err)
	}
	return nil
}

func unsafe(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsafe, fmt.Sprintf(format, args...))
}

const first, second = "first", "the second"

func tryObject(ctx context.Context, s Store, name string) error {
	// A retried put may find the object of its own first attempt.
	if err := tryPut(ctx, s, name, first); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	switch err := tryPut(ctx, s, name, second); {
	case err == nil:
		return unsafe("it overwrites objects: it does not honour conditional writes (If-None-Match)")
	case !errors.Is(err, ErrExists):
		return err
	}
	if err := tryRead(ctx, s, name, 0, -1, first); err != nil {
		return err
	}
	if err := tryRead(ctx, s, name, 1, 3, first[1:4]); err != nil {
		return err
	}
	info, err := s.Stat(ctx, name)
	if err == nil && info != (Info{Name: name, Size: int64(len(first))}) {
		err = unsafe("it describes an object of %d bytes as %+v", len(first), info)
	}
	if err != nil {
		return err
	}
	return tryListed(ctx, s, name, true)
}

func tryPut(ctx context.Context, s Store, name, content string) error {
	return s.Put(ctx, name, strings.NewReader(content), int64(len(content)))
}

func tryRead(ctx context.Context, s Store, name string, offset, length int64, want string) error {
	body, err := s.Get(ctx, name, offset, length)
	if errors.Is(err, ErrNotFound) {
		return unsafe("it does not find what was written")
	}
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err == nil && string(got) != want {
		err = unsafe("it gives back other bytes than were written")
	}
	return err
}

// tryRace writes from several sides at once. Of puts whose answers are lost
// none may know that it won, so only more than one is too many.
func tryRace(ctx context.Context, s Store, name string) error {
	var racers sync.WaitGroup
	answers := make([]error, 4)
	for i := range answers {
		racers.Go(func() { answers[i] = tryPut(ctx, s, name, fmt.Sprint(i)) })
	}
	racers.Wait()
	won := 0
	for _, err := range answers {
		if err == nil {
			won++
		} else if !errors.Is(err, ErrExists) {
			return err
		}
	}
	if won > 1 {
		return unsafe("%d of %d writers that came at once were told that they made the same object", won, len(answers))
	}
	return nil
}

func tryListed(ctx context.Context, s Store, name string, want bool) error {
	listed := false
	for info, err := range s.List(ctx, name) {
		if err != nil {
			return err
		}
		listed = listed || info.Name == name
	}
	if listed != want {
		return unsafe("its listings are late: they do not show at once what was written or deleted")
	}
	return nil
}

func tryGone(ctx context.Context, s Store, name string) error {
	switch _, err := s.Stat(ctx, name); {
	case err == nil:
		return unsafe("it still finds what was deleted")
	case !errors.Is(err, ErrNotFound):
		return err
	}
	return tryListed(ctx, s, name, false)
}
