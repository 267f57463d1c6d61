package agentcert

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/clock"
)

const kindEnrolment = "enrolment"

// TokenLife is how long an enrolment token waits to be used.
const TokenLife = time.Hour

// ErrToken says that an enrolment token is unknown, used or expired; which of
// these it is, the sender is not told.
var ErrToken = errors.New("enrolment token is not valid")

// Enrolments issues and redeems one-time tokens. Only their hashes are stored.
type Enrolments struct{ Clock clock.Clock }

// enrolment is stored under the hash of its token.
type enrolment struct {
	Agent   Agent     `json:"agent"`
	Expires time.Time `json:"expires"`
}

// IssueEnrolment makes a token with which the program of that role in the
// cluster can enrol once.
func (e Enrolments) IssueEnrolment(tx catalog.Tx, clusterID, role string) (token string, expires time.Time, err error) {
	agent := Agent{ClusterID: clusterID, Role: agentv1.Role(role)}
	if err := agent.check(); err != nil {
		return "", time.Time{}, err
	}
	var random [32]byte
	rand.Read(random[:]) // documented never to fail
	token = base64.RawURLEncoding.EncodeToString(random[:])
	expires = e.Clock.Now().Add(TokenLife)
	body, err := json.Marshal(enrolment{agent, expires})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("enrolment of %s: %w", clusterID, err)
	}
	if _, err := tx.Put(catalog.Document{Kind: kindEnrolment, ID: hashOf(token), Body: body}, catalog.IfAbsent); err != nil {
		return "", time.Time{}, fmt.Errorf("enrolment of %s: %w", clusterID, err)
	}
	return token, expires, nil
}

// Redeem uses a token up and says whom it was for. The transaction must also
// keep what follows from it: when it rolls back, the token is good again. It
// fails with ErrToken.
func (e Enrolments) Redeem(tx catalog.Tx, token string) (Agent, error) {
	doc, err := tx.Get(kindEnrolment, hashOf(token))
	if errors.Is(err, catalog.ErrNotFound) {
		return Agent{}, ErrToken
	} else if err != nil {
		return Agent{}, fmt.Errorf("enrolment: %w", err)
	}
	var found enrolment
	if err := json.Unmarshal(doc.Body, &found); err != nil {
		return Agent{}, fmt.Errorf("enrolment: %w", err)
	}
	if !e.Clock.Now().Before(found.Expires) {
		return Agent{}, ErrToken
	}
	if err := tx.Delete(kindEnrolment, doc.ID, doc.ETag); err != nil {
		return Agent{}, fmt.Errorf("enrolment of %s: %w", found.Agent.ClusterID, err)
	}
	return found.Agent, nil
}

// Prune removes tokens that expired unused.
func (e Enrolments) Prune(tx catalog.Tx) error {
	docs, err := tx.List(catalog.Query{Kind: kindEnrolment})
	if err != nil {
		return fmt.Errorf("list enrolments: %w", err)
	}
	for _, doc := range docs {
		var found enrolment
		if err := json.Unmarshal(doc.Body, &found); err != nil {
			return fmt.Errorf("enrolment %s: %w", doc.ID, err)
		}
		if e.Clock.Now().Before(found.Expires) {
			continue
		}
		if err := tx.Delete(kindEnrolment, doc.ID, doc.ETag); err != nil {
			return fmt.Errorf("enrolment %s: %w", doc.ID, err)
		}
	}
	return nil
}

// hashOf is the id under which a token is stored: finding it by its hash takes
// no time that depends on how much of a guess is right.
func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
