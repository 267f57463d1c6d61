package sessiontest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

func (s *Service) enrol(w http.ResponseWriter, r *http.Request) {
	var request agentv1.EnrolRequest
	if !read(w, r, &request) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.tokens[request.Token]
	key := keyOf(request.CSR)
	if known == nil || key == "" || (known.key != "" && known.key != key) {
		refuse(w, http.StatusForbidden, "TokenNotValid")
		return
	}
	known.key = key
	s.issue(w, request.CSR, known.role)
}

func (s *Service) renew(w http.ResponseWriter, r *http.Request) {
	var request agentv1.RenewRequest
	role, ok := s.client(w, r)
	if !ok || !read(w, r, &request) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals++
	s.issue(w, request.CSR, role)
}

func (s *Service) issue(w http.ResponseWriter, csr string, role agentv1.Role) {
	certificate, serial, err := s.ca.issue(csr)
	if err != nil {
		refuse(w, http.StatusBadRequest, "RequestNotValid")
		return
	}
	s.serials[serial] = role
	answer(w, agentv1.EnrolResponse{
		Certificate: certificate, CA: string(s.ca.pem), ClusterID: s.ClusterID, Role: role,
		RenewAfter: time.Now().Add(s.RenewAfter),
	})
}

// client checks the certificate of a request.
func (s *Service) client(w http.ResponseWriter, r *http.Request) (agentv1.Role, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(r.TLS.PeerCertificates) > 0 {
		if role, ok := s.serials[r.TLS.PeerCertificates[0].SerialNumber.String()]; ok {
			return role, true
		}
	}
	refuse(w, http.StatusUnauthorized, "CertificateNotValid")
	return "", false
}

func (s *Service) claim(w http.ResponseWriter, r *http.Request) {
	var request agentv1.ClaimRequest
	role, ok := s.client(w, r)
	if !ok || !read(w, r, &request) {
		return
	}
	s.mu.Lock()
	s.claims = append(s.claims, request)
	s.mu.Unlock()
	until := time.After(time.Duration(request.WaitSeconds) * time.Second)
	for {
		operation, changed := s.next(role)
		if operation != nil {
			answer(w, operation)
			return
		}
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond): // a lease may have run out
		case <-r.Context().Done():
			return
		case <-until:
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
}

// next leases the first operation for role whose lease is free.
func (s *Service) next(role agentv1.Role) (*agentv1.Operation, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.operations {
		if o.Finished != nil || roleOf(o.Kind) != role || time.Now().Before(o.leaseUntil) {
			continue
		}
		o.Deliveries++
		o.Lease = agentv1.Lease{Token: fmt.Sprintf("lease-%s-%d", o.ID, o.Deliveries), Seconds: s.LeaseSeconds}
		o.leaseUntil = time.Now().Add(time.Duration(s.LeaseSeconds) * time.Second)
		copied := o.Operation
		return &copied, nil
	}
	return nil, s.changed
}

func roleOf(kind agentv1.Kind) agentv1.Role {
	if kind == agentv1.KindInstallExtension || kind == agentv1.KindDeleteExtension {
		return agentv1.RoleConnector
	}
	return agentv1.RoleExtension
}

func (s *Service) extend(w http.ResponseWriter, r *http.Request) {
	var request agentv1.ExtendRequest
	if _, ok := s.client(w, r); !ok || !read(w, r, &request) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(r.PathValue("id"))
	if o == nil || o.Lease.Token != request.LeaseToken || o.Finished != nil {
		refuse(w, http.StatusConflict, "LeaseLost")
		return
	}
	o.leaseUntil = time.Now().Add(time.Duration(s.LeaseSeconds) * time.Second)
	if request.Progress != nil {
		o.Progress = append(o.Progress, *request.Progress)
	}
	answer(w, agentv1.ExtendResponse{LeaseSeconds: s.LeaseSeconds, CancelRequested: o.Cancel})
}

func (s *Service) finish(w http.ResponseWriter, r *http.Request) {
	var request agentv1.FinishRequest
	if _, ok := s.client(w, r); !ok || !read(w, r, &request) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.find(r.PathValue("id"))
	if o == nil || o.Lease.Token != request.LeaseToken {
		refuse(w, http.StatusConflict, "LeaseLost")
		return
	}
	o.Finishes++
	o.Finished = &request
	w.WriteHeader(http.StatusNoContent)
}

// misbehave puts the faults in front of the protocol.
func (s *Service) misbehave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		f := &s.faults
		latency := f.Latency
		drop, lose := take(&f.Drop), false
		refused, busy := !drop && take(&f.Refuse), false
		if !drop && !refused {
			busy = take(&f.Busy)
			lose = !busy && take(&f.Lose)
		}
		s.mu.Unlock()
		select {
		case <-time.After(latency):
		case <-s.closed:
		}
		switch {
		case drop:
			panic(http.ErrAbortHandler)
		case refused:
			http.Error(w, "out of order", http.StatusInternalServerError)
		case busy:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "Busy")
		case lose:
			next.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func take(counter *int) bool {
	if *counter <= 0 {
		return false
	}
	*counter--
	return true
}

// discard is the answer that never arrives.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func read(w http.ResponseWriter, r *http.Request, out any) bool {
	if err := json.NewDecoder(r.Body).Decode(out); err != nil {
		refuse(w, http.StatusBadRequest, "RequestNotValid")
		return false
	}
	return true
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	problem := agentv1.Problem{Code: code, Message: "refused by the test service"}
	_ = json.NewEncoder(w).Encode(agentv1.ErrorResponse{Error: problem})
}
