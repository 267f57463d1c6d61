package collect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// apiServer is a small API server with the habits of the real one: pages with
// continue tokens, items without their type, tokens that expire, kinds that are
// forbidden, groups that do not answer, and hiccups.
type apiServer struct {
	t         *testing.T
	resources []Resource
	foreign   map[string]bool // groups behind an APIService with a service
	broken    map[string]bool // groups that do not answer
	forbidden map[string]bool // plural names
	vanished  map[string]bool // plural names that discovery told and that are served no more

	mu       sync.Mutex
	objects  map[string][]stored // by plural name, in order of namespace and name
	revision int
	// expire makes the next request with a token answer 410; resume says whether
	// it offers a token to go on with.
	expire, resume bool
	stumbles       int // so many requests for objects answer 500 first
	asked          []string
}

func newAPIServer(t *testing.T, resources ...Resource) *apiServer {
	return &apiServer{t: t, resources: resources, objects: map[string][]stored{}, revision: 100}
}

// put adds an object; extra are further fields, each followed by a comma, of its metadata.
func (s *apiServer) put(r Resource, namespace, name, extra, rest string) {
	uid := r.Name + "-" + namespace + "-" + name
	raw := fmt.Sprintf(`{"metadata":{%s"name":%q,"namespace":%q,"uid":%q}%s}`, extra, name, namespace, uid, rest)
	s.objects[r.Name] = append(s.objects[r.Name], stored{namespace + "/" + name, raw})
	slices.SortFunc(s.objects[r.Name], func(a, b stored) int { return strings.Compare(a.at, b.at) })
}

// stored is an object and its "namespace/name".
type stored struct{ at, raw string }

func (s *apiServer) client() rest.Interface {
	server := httptest.NewServer(s)
	s.t.Cleanup(server.Close)
	client, err := rest.UnversionedRESTClientFor(&rest.Config{Host: server.URL, QPS: -1,
		ContentConfig: rest.ContentConfig{NegotiatedSerializer: scheme.Codecs.WithoutConversion()}})
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/apis/apiregistration.k8s.io/v1/apiservices":
		s.apiServices(w)
	case r.URL.Path == "/api":
		answer(w, 200, metav1.APIVersions{Versions: []string{"v1"}})
	case r.URL.Path == "/apis":
		s.groups(w)
	case parts[0] == "api" && len(parts) == 2, parts[0] == "apis" && len(parts) == 3:
		s.discover(w, strings.Join(parts[1:], "/"))
	default:
		s.list(w, r, parts)
	}
}

func (s *apiServer) apiServices(w http.ResponseWriter) {
	var items []map[string]any
	for _, r := range s.resources {
		spec := map[string]any{"group": r.Group, "version": r.Version}
		if s.foreign[r.Group] {
			spec["service"] = map[string]any{"name": "elsewhere"}
		}
		items = append(items, map[string]any{"spec": spec})
	}
	answer(w, 200, map[string]any{"items": items})
}

func (s *apiServer) groups(w http.ResponseWriter) {
	list := metav1.APIGroupList{}
	for _, r := range s.resources {
		if r.Group == "" || slices.ContainsFunc(list.Groups, func(g metav1.APIGroup) bool { return g.Name == r.Group }) {
			continue
		}
		v := metav1.GroupVersionForDiscovery{GroupVersion: r.apiVersion(), Version: r.Version}
		list.Groups = append(list.Groups, metav1.APIGroup{Name: r.Group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
	}
	answer(w, 200, list)
}

func (s *apiServer) discover(w http.ResponseWriter, version string) {
	list := metav1.APIResourceList{GroupVersion: version}
	for _, r := range s.resources {
		if r.apiVersion() != version {
			continue
		}
		if s.broken[r.Group] {
			refuse(w, 503, metav1.StatusReasonServiceUnavailable, "")
			return
		}
		list.APIResources = append(list.APIResources, metav1.APIResource{Name: r.Name, Kind: r.Kind, Namespaced: r.Namespaced, Verbs: metav1.Verbs{"list", "create"}})
	}
	answer(w, 200, list)
}

// list answers /{root}/[namespaces/{namespace}/]{plural}.
func (s *apiServer) list(w http.ResponseWriter, r *http.Request, parts []string) {
	plural, namespace := parts[len(parts)-1], ""
	if i := slices.Index(parts, "namespaces"); i >= 0 && i+2 < len(parts) {
		namespace = parts[i+1]
	}
	query := r.URL.Query()
	s.asked = append(s.asked, r.URL.Path+"?"+query.Get("labelSelector"))
	token := query.Get("continue")
	switch {
	case s.forbidden[plural]:
		refuse(w, 403, metav1.StatusReasonForbidden, "")
		return
	case s.vanished[plural]:
		refuse(w, 404, metav1.StatusReasonNotFound, "")
		return
	case s.stumbles > 0:
		s.stumbles--
		refuse(w, 500, metav1.StatusReasonInternalError, "")
		return
	case token != "" && s.expire:
		s.expire = false
		s.revision++
		offer := ""
		if s.resume {
			offer = token
		}
		refuse(w, 410, metav1.StatusReasonExpired, offer)
		return
	}
	limit, _ := strconv.Atoi(query.Get("limit"))
	var items []string
	next := ""
	last := ""
	for _, o := range s.objects[plural] {
		if namespace != "" && !strings.HasPrefix(o.at, namespace+"/") || o.at <= token {
			continue
		}
		if len(items) == limit {
			next = last
			break
		}
		items, last = append(items, o.raw), o.at
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"kind":"List","metadata":{"resourceVersion":"%d","continue":%q},"items":[%s]}`, s.revision, next, strings.Join(items, ","))
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code int32, reason metav1.StatusReason, token string) {
	answer(w, int(code), metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure",
		Code: code, Reason: reason, Message: string(reason), ListMeta: metav1.ListMeta{Continue: token}})
}
