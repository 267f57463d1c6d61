package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/objstore"
	"holdfast.dev/holdfast/internal/objstore/internal/overhttp"
)

// do makes a request under the grant and returns a successful answer.
func (s *Store) do(ctx context.Context, doing, method, path string, header http.Header, content *upload) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, nil)
	if err != nil {
		if content != nil {
			content.closed() // nobody else will
		}
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if header != nil {
		request.Header = header
	}
	s.mu.RLock()
	request.Header.Set("Authorization", "Bearer "+s.token)
	s.mu.RUnlock()
	if content != nil && content.size > 0 {
		request.Body, request.ContentLength = content, content.size
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, overhttp.Failure(doing, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer answer.Body.Close()
	return nil, refused(doing, answer)
}

// words are what the gate's codes are called in the contract.
var words = map[string]error{
	agentv1.CodeGateExists:       objstore.ErrExists,
	agentv1.CodeGateNotFound:     objstore.ErrNotFound,
	agentv1.CodeGateNoBucket:     objstore.ErrNoBucket,
	agentv1.CodeGateRange:        objstore.ErrRange,
	agentv1.CodeGateName:         objstore.ErrName,
	agentv1.CodeGateGrantInvalid: errGrant,
	agentv1.CodeGateGrantExpired: errGrant,
	agentv1.CodeGateGrantEnded:   errGrant,
	agentv1.CodeGateWrongCluster: errGrant,
}

var errGrant = errors.Join(objstore.ErrForbidden, ErrGrant)

// refused makes an error of an answer. An answer without our code comes from
// something in between, whose "not found" says nothing about the object.
func refused(doing string, answer *http.Response) error {
	code := answer.Header.Get(agentv1.HeaderGateCode)
	word, known := words[code]
	if !known {
		word = overhttp.Word(answer.StatusCode)
		if code == "" && errors.Is(word, objstore.ErrNotFound) {
			word, code = objstore.ErrUnavailable, "not answered by a gate"
		}
	}
	return overhttp.Refusal(doing, word, code, answer.StatusCode, answer.Header)
}

// maxGrant is the largest answer to a renewal that is read, in bytes.
const maxGrant = 256 << 10

// renew exchanges the grant for a fresh one, and returns how long that is good.
func (s *Store) renew(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	answer, err := s.do(ctx, "renew the grant", http.MethodPost, agentv1.PathGateRenew, nil, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var fresh agentv1.GateGrant
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxGrant)).Decode(&fresh); err != nil || fresh.Token == "" || fresh.Seconds <= 0 {
		return 0, fmt.Errorf("renew the grant: %w: the answer holds no grant", objstore.ErrUnavailable) // not what it holds
	}
	s.mu.Lock()
	s.token = fresh.Token
	s.mu.Unlock()
	return time.Duration(fresh.Seconds) * time.Second, nil
}

// keep renews the grant after a third of its life, and when that fails, some
// more times in the rest of it. A grant that is refused is not offered again:
// calls then say so.
func (s *Store) keep(ctx context.Context, life time.Duration) {
	for wait := life / 3; ; {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		fresh, err := s.renew(ctx)
		switch {
		case errors.Is(err, ErrGrant):
			return
		case err != nil:
			wait = max(wait/4, time.Second)
		default:
			wait = fresh / 3
		}
	}
}
