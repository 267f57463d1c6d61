package service

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/agenthub"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/signin/agentcert"
)

// registrar lets the agent hub use the certificates of sign-in; the two doors
// do not know each other.
type registrar struct {
	store      catalog.Store
	authority  *agentcert.Authority
	enrolments enrolments
	serviceCA  string
}

// kindEnrolled is the kind of the documents that remember with which key a
// token was used, so that an agent that lost the answer may ask again.
const kindEnrolled = "enrolled"

// enrolled is stored under the hash of its token.
type enrolled struct {
	Agent   agentcert.Agent
	Key     string // SHA-256 of the public key, hex
	Expires time.Time
}

// enrolments are the tokens of sign-in, with those that were used.
type enrolments struct{ agentcert.Enrolments }

// Prune forgets tokens, used or not, whose time is over.
func (e enrolments) Prune(tx catalog.Tx) error {
	if err := e.Enrolments.Prune(tx); err != nil {
		return err
	}
	docs, err := tx.List(catalog.Query{Kind: kindEnrolled})
	if err != nil {
		return fmt.Errorf("list used enrolments: %w", err)
	}
	for _, doc := range docs {
		var used enrolled
		if err := json.Unmarshal(doc.Body, &used); err != nil {
			return fmt.Errorf("used enrolment %s: %w", doc.ID, err)
		}
		if e.Clock.Now().Before(used.Expires) {
			continue
		}
		if err := tx.Delete(kindEnrolled, doc.ID, doc.ETag); err != nil {
			return fmt.Errorf("used enrolment %s: %w", doc.ID, err)
		}
	}
	return nil
}

// Enrol exchanges a token for a certificate.
func (r registrar) Enrol(ctx context.Context, token, csr string) (agenthub.Credential, error) {
	key, err := publicKey(csr)
	if err != nil {
		return agenthub.Credential{}, err
	}
	var agent agentcert.Agent
	err = r.store.Update(ctx, func(tx catalog.Tx) (err error) {
		agent, err = r.enrolments.Redeem(tx, token)
		if errors.Is(err, agentcert.ErrToken) {
			agent, err = r.usedBefore(tx, token, key)
			return err
		}
		if err != nil {
			return err
		}
		body, err := json.Marshal(enrolled{agent, key, r.enrolments.Clock.Now().Add(agentcert.TokenLife)})
		if err != nil {
			return err
		}
		_, err = tx.Put(catalog.Document{Kind: kindEnrolled, ID: digest([]byte(token)), Body: body}, "")
		return err
	})
	if errors.Is(err, agentcert.ErrToken) {
		return agenthub.Credential{}, &agentv1.Problem{Code: "InvalidEnrolmentToken", Message: "the enrolment token is unknown, used or expired",
			Actions: []string{"Connect the cluster again, to get a new token."}}
	}
	if err != nil {
		return agenthub.Credential{}, fmt.Errorf("enrol: %w", err)
	}
	return r.issue(csr, agent)
}

// usedBefore answers a repetition with the key the token was used with.
func (r registrar) usedBefore(tx catalog.Tx, token, key string) (agentcert.Agent, error) {
	doc, err := tx.Get(kindEnrolled, digest([]byte(token)))
	if errors.Is(err, catalog.ErrNotFound) {
		return agentcert.Agent{}, agentcert.ErrToken
	}
	if err != nil {
		return agentcert.Agent{}, err
	}
	var e enrolled
	if err := json.Unmarshal(doc.Body, &e); err != nil {
		return agentcert.Agent{}, fmt.Errorf("used enrolment: %w", err)
	}
	if e.Key != key || !r.enrolments.Clock.Now().Before(e.Expires) {
		return agentcert.Agent{}, agentcert.ErrToken
	}
	return e.Agent, nil
}

// Renew issues the next certificate of an agent.
func (r registrar) Renew(_ context.Context, agent agenthub.Agent, csr string) (agenthub.Credential, error) {
	if _, err := publicKey(csr); err != nil {
		return agenthub.Credential{}, err
	}
	return r.issue(csr, agentcert.Agent(agent))
}

// Identify names the agent of a certificate.
func (r registrar) Identify(_ context.Context, certificate *x509.Certificate) (agenthub.Agent, error) {
	agent, err := r.authority.Identify(certificate)
	if err != nil {
		return agenthub.Agent{}, &agentv1.Problem{Code: "Unauthorized", Message: "the client certificate is not valid here; renew it or enrol again"}
	}
	return agenthub.Agent(agent), nil
}

func (r registrar) issue(csr string, agent agentcert.Agent) (agenthub.Credential, error) {
	certificate, renewAfter, err := r.authority.Issue([]byte(csr), agent)
	if err != nil {
		return agenthub.Credential{}, badRequest(err)
	}
	return agenthub.Credential{Agent: agenthub.Agent(agent), Certificate: string(certificate), CA: r.serviceCA, RenewAfter: renewAfter}, nil
}

// publicKey returns the hash of the key that a certificate request is for.
func publicKey(csr string) (string, error) {
	block, _ := pem.Decode([]byte(csr))
	if block == nil {
		return "", badRequest(errors.New("no PEM certificate request"))
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", badRequest(err)
	}
	if err := request.CheckSignature(); err != nil {
		return "", badRequest(err)
	}
	return digest(request.RawSubjectPublicKeyInfo), nil
}

func badRequest(err error) error {
	return &agentv1.Problem{Code: "InvalidCertificateRequest", Message: err.Error()}
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
