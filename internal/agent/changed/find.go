package changed

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// tokenLife is long enough for a listing that breaks off now and then.
const tokenLife = time.Hour

// Access is everything that a question to a driver's service needs. It holds a
// secret and ends with its token, after an hour.
type Access struct {
	Address string `json:"address"`         // host and port
	CA      []byte `json:"ca"`              // PEM
	Token   string `json:"token,omitempty"` // of a service account, for the service's audience only
}

// String hides the token.
func (a Access) String() string { return "access to " + a.Address }

// GoString hides the token.
func (a Access) GoString() string { return a.String() }

// service is a SnapshotMetadataService object.
type service struct {
	Spec struct {
		Audience string `json:"audience"`
		Address  string `json:"address"`
		CACert   []byte `json:"caCert"`
	} `json:"spec"`
}

// versions of the object's API, the newest first: drivers are not upgraded
// with the cluster.
var versions = []string{"v1beta1", "v1alpha1"}

// Find returns the access to a driver's service in the name of a service
// account. The account needs the right to get VolumeSnapshots where they are.
func Find(ctx context.Context, kube kubernetes.Interface, driver string, account types.NamespacedName) (Access, error) {
	s, err := findService(ctx, kube, driver)
	if err != nil {
		return Access{}, err
	}
	if s.Spec.Address == "" || s.Spec.Audience == "" || len(s.Spec.CACert) == 0 {
		return Access{}, &Unavailable{ErrNotOffered, fmt.Errorf("SnapshotMetadataService %q lacks its address, audience or CA", driver)}
	}
	life := int64(tokenLife / time.Second)
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{Audiences: []string{s.Spec.Audience}, ExpirationSeconds: &life}}
	token, err := kube.CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name, request, metav1.CreateOptions{})
	if err != nil {
		return Access{}, &Unavailable{ErrRefused, fmt.Errorf("token of %s: %w", account, err)}
	}
	return Access{Address: s.Spec.Address, CA: s.Spec.CACert, Token: token.Status.Token}, nil
}

func findService(ctx context.Context, kube kubernetes.Interface, driver string) (service, error) {
	var s service
	for _, version := range versions {
		raw, err := kube.CoreV1().RESTClient().Get().
			AbsPath("/apis/cbt.storage.k8s.io", version, "snapshotmetadataservices", driver).DoRaw(ctx)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return s, &Unavailable{ErrBroken, fmt.Errorf("SnapshotMetadataService %q: %w", driver, err)}
		}
		if err := json.Unmarshal(raw, &s); err != nil {
			return s, &Unavailable{ErrNotOffered, fmt.Errorf("SnapshotMetadataService %q: %w", driver, err)}
		}
		return s, nil
	}
	return s, &Unavailable{Kind: ErrNotOffered}
}
