package restore

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
)

// apiServer is an API server with character: it has memory, resource
// versions, field managers, immutable fields, allocated ports, definitions
// that take a while to be served, namespaces that bring their account along,
// a provisioner - and faults, when asked for.
type apiServer struct {
	mu       sync.Mutex
	kinds    map[string]served         // by "group/version/plural"
	objects  map[string]map[string]any // by path
	revision int
	now      time.Time
	ports    map[int64]string // node ports in use
	looks    map[string]int   // how often something was asked for

	// fault decides about one request: before it is served, or after it took
	// effect and before the answer.
	fault   func(r *http.Request, served bool) fault
	refuse  func(body map[string]any) (status int, message string)
	written func(path string)
	writes  int
	http    *httptest.Server
}

type fault int

const (
	noFault fault = iota
	busy          // 429
	broken        // 500
	hangUp        // the connection ends without an answer
)

type served struct {
	kind       string
	namespaced bool
}

func newAPIServer(t *testing.T) *apiServer {
	s := &apiServer{
		kinds: map[string]served{}, objects: map[string]map[string]any{}, ports: map[int64]string{}, looks: map[string]int{},
		now: time.Now().UTC().Truncate(time.Second),
	}
	for _, line := range strings.Fields(`
		/v1/namespaces=Namespace /v1/nodes=Node /v1/persistentvolumes=PersistentVolume
		/v1/pods:Pod /v1/services:Service /v1/endpoints:Endpoints /v1/secrets:Secret /v1/configmaps:ConfigMap
		/v1/serviceaccounts:ServiceAccount /v1/persistentvolumeclaims:PersistentVolumeClaim /v1/events:Event
		/v1/resourcequotas:ResourceQuota /v1/limitranges:LimitRange
		apps/v1/deployments:Deployment apps/v1/replicasets:ReplicaSet apps/v1/statefulsets:StatefulSet
		apps/v1/controllerrevisions:ControllerRevision batch/v1/jobs:Job batch/v1/cronjobs:CronJob
		discovery.k8s.io/v1/endpointslices:EndpointSlice networking.k8s.io/v1/networkpolicies:NetworkPolicy
		networking.k8s.io/v1/ingresses:Ingress policy/v1/poddisruptionbudgets:PodDisruptionBudget
		rbac.authorization.k8s.io/v1/roles:Role rbac.authorization.k8s.io/v1/rolebindings:RoleBinding
		rbac.authorization.k8s.io/v1/clusterroles=ClusterRole rbac.authorization.k8s.io/v1/clusterrolebindings=ClusterRoleBinding
		storage.k8s.io/v1/storageclasses=StorageClass storage.k8s.io/v1/csinodes=CSINode
		admissionregistration.k8s.io/v1/validatingwebhookconfigurations=ValidatingWebhookConfiguration
		apiextensions.k8s.io/v1/customresourcedefinitions=CustomResourceDefinition
		snapshot.storage.k8s.io/v1/volumesnapshots:VolumeSnapshot snapshot.storage.k8s.io/v1/volumesnapshotcontents=VolumeSnapshotContent`) {
		resource, kind, namespaced := strings.Cut(line, ":")
		if !namespaced {
			resource, kind, _ = strings.Cut(line, "=")
		}
		s.kinds[resource] = served{kind, namespaced}
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

// onWrite sets what is called after every successful write; nil for nothing.
func (s *apiServer) onWrite(written func(path string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = written
}

func (s *apiServer) config() *rest.Config { return &rest.Config{Host: s.http.URL} }

// request is one call, parsed.
type request struct {
	group, version, resource, namespace, name string
	kind                                      served
}

func (q request) path(name string) string {
	return strings.Join([]string{q.group, q.version, q.resource, q.namespace, name}, "/")
}

func (s *apiServer) parse(path string) (request, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var q request
	switch {
	case len(parts) > 2 && parts[0] == "api":
		q.version, parts = parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		q.group, q.version, parts = parts[1], parts[2], parts[3:]
	default:
		return q, false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		q.namespace, parts = parts[1], parts[2:]
	}
	q.resource = parts[0]
	if len(parts) > 1 {
		q.name = parts[1]
	}
	kind, ok := s.kinds[q.group+"/"+q.version+"/"+q.resource]
	q.kind = kind
	return q, ok
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.fault != nil && s.faulty(w, s.fault(r, false)) {
		return
	}
	s.mu.Lock()
	status, answer, wrote := s.serve(r)
	encoded, _ := json.Marshal(answer)
	written := s.written
	s.mu.Unlock()
	if wrote != "" && written != nil {
		written(wrote)
	}
	if s.fault != nil && s.faulty(w, s.fault(r, true)) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded)
}

func (s *apiServer) faulty(w http.ResponseWriter, f fault) bool {
	switch f {
	case busy, broken:
		code := map[fault]int{busy: 429, broken: 500}[f]
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, answer, _ := failure(code, "fault")
		_ = json.NewEncoder(w).Encode(answer)
	case hangUp:
		panic(http.ErrAbortHandler)
	}
	return f != noFault
}

func failure(code int, format string, args ...any) (int, any, string) {
	reasons := map[int]string{404: "NotFound", 409: "Conflict", 422: "Invalid", 403: "Forbidden", 429: "TooManyRequests", 500: "InternalError", 400: "BadRequest"}
	return code, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
		"reason": reasons[code], "message": fmt.Sprintf(format, args...)}, ""
}

func (s *apiServer) serve(r *http.Request) (int, any, string) {
	if answer, ok := s.discover(r.URL.Path); ok {
		return 200, answer, ""
	}
	q, ok := s.parse(r.URL.Path)
	if !ok {
		return failure(404, "the server could not find the requested resource")
	}
	switch {
	case r.Method == http.MethodGet && q.name == "":
		return s.list(q, r)
	case r.Method == http.MethodGet:
		return s.get(q)
	case r.Method == http.MethodPost:
		return s.post(q, r)
	case r.Method == http.MethodPatch:
		return s.patch(q, r)
	case r.Method == http.MethodDelete:
		return s.remove(q)
	}
	return failure(400, "method %s", r.Method)
}

func (s *apiServer) discover(path string) (any, bool) {
	switch path {
	case "/api":
		return map[string]any{"kind": "APIVersions", "versions": []string{"v1"}}, true
	case "/apis":
		groups := map[string]map[string]bool{}
		for name := range s.kinds {
			parts := strings.Split(name, "/")
			if parts[0] != "" {
				if groups[parts[0]] == nil {
					groups[parts[0]] = map[string]bool{}
				}
				groups[parts[0]][parts[1]] = true
			}
		}
		var list []any
		for group, versions := range groups {
			var vs []any
			for v := range versions {
				vs = append(vs, map[string]any{"groupVersion": group + "/" + v, "version": v})
			}
			list = append(list, map[string]any{"name": group, "versions": vs, "preferredVersion": vs[0]})
		}
		return map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": list}, true
	}
	prefix := strings.TrimPrefix(strings.TrimPrefix(path, "/apis/"), "/api")
	if strings.Count(prefix, "/") != 1 {
		return nil, false
	}
	var resources []any
	for name, kind := range s.kinds {
		if rest, ok := strings.CutPrefix(name, prefix+"/"); ok {
			resources = append(resources, map[string]any{"name": rest, "kind": kind.kind, "namespaced": kind.namespaced, "verbs": []string{"get"}})
		}
	}
	return map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": strings.TrimPrefix(prefix, "/"), "resources": resources}, len(resources) > 0
}

func (s *apiServer) list(q request, r *http.Request) (int, any, string) {
	selector, _ := labels.Parse(r.URL.Query().Get("labelSelector"))
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	after := r.URL.Query().Get("continue")
	items, more := []any{}, ""
	for _, path := range slices.Sorted(maps.Keys(s.objects)) {
		object := s.objects[path]
		parts := strings.Split(path, "/")
		if parts[0] != q.group || parts[2] != q.resource || q.namespace != "" && parts[3] != q.namespace || path <= after {
			continue
		}
		if !selector.Matches(labels.Set(texts(child(object, "metadata", "labels")))) {
			continue
		}
		if limit > 0 && len(items) == limit {
			more = items[limit-1].(map[string]any)["path"].(string)
			break
		}
		item := map[string]any{"metadata": object["metadata"], "path": path}
		if !strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
			item = maps.Clone(object)
			item["path"] = path
		}
		items = append(items, item)
	}
	kind, version := q.kind.kind+"List", strings.Trim(q.group+"/"+q.version, "/")
	if strings.Contains(r.Header.Get("Accept"), "PartialObjectMetadata") {
		kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
	}
	return 200, map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]any{"continue": more}, "items": items}, ""
}

func (s *apiServer) get(q request) (int, any, string) {
	object, ok := s.objects[q.path(q.name)]
	if !ok {
		return failure(404, "%s %q not found", q.resource, q.name)
	}
	s.live(q, object)
	return 200, object, ""
}

// live is the cluster's own life between two looks.
func (s *apiServer) live(q request, object map[string]any) {
	s.looks[q.path(q.name)]++
	if s.looks[q.path(q.name)] < 3 {
		return
	}
	switch q.kind.kind {
	case "CustomResourceDefinition":
		object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": "True"}}}
		spec := child(object, "spec")
		for _, v := range list(spec, "versions") {
			version, _ := v.(map[string]any)
			s.kinds[text(spec, "group")+"/"+text(version, "name")+"/"+text(spec, "names", "plural")] =
				served{text(spec, "names", "kind"), spec["scope"] == "Namespaced"}
		}
	case "PersistentVolumeClaim":
		s.provision(q, object)
	}
}

func (s *apiServer) provision(q request, claim map[string]any) {
	spec := child(claim, "spec")
	class := s.objects["storage.k8s.io/v1/storageclasses//"+text(spec, "storageClassName")]
	waits := text(class, "volumeBindingMode") == "WaitForFirstConsumer"
	if class == nil || spec["volumeName"] != nil || waits && text(claim, "metadata", "annotations", "volume.kubernetes.io/selected-node") == "" {
		return
	}
	if name := text(spec, "dataSource", "name"); name != "" {
		snapshot := s.objects["snapshot.storage.k8s.io/v1/volumesnapshots/"+q.namespace+"/"+name]
		content := s.objects["snapshot.storage.k8s.io/v1/volumesnapshotcontents//"+text(snapshot, "spec", "source", "volumeSnapshotContentName")]
		if snapshot == nil || content == nil || text(content, "spec", "volumeSnapshotRef", "namespace") != q.namespace {
			return
		}
		child(claim, "metadata", "annotations")["from"] = text(content, "spec", "source", "snapshotHandle")
	}
	spec["volumeName"] = "pvc-" + uuid.NewString()
	claim["status"] = map[string]any{"phase": "Bound"}
}

func (s *apiServer) post(q request, r *http.Request) (int, any, string) {
	body, err := decodeBody(r.Body)
	if err != nil {
		return failure(400, "%v", err)
	}
	meta := child(body, "metadata")
	name := text(meta, "name")
	if meta["resourceVersion"] != nil {
		return failure(500, "resourceVersion should not be set on objects to be created")
	}
	if q.namespace != "" && s.objects["/v1/namespaces//"+q.namespace] == nil {
		return failure(404, "namespaces %q not found", q.namespace)
	}
	if s.objects[q.path(name)] != nil {
		code, answer, _ := failure(409, "%s %q already exists", q.resource, name)
		answer.(map[string]any)["reason"] = "AlreadyExists"
		return code, answer, ""
	}
	if s.refuse != nil {
		if code, message := s.refuse(body); code != 0 {
			return failure(code, "%s", message)
		}
	}
	if q.kind.kind == "Service" {
		if taken := s.allocate(body, q.path(name)); taken != "" {
			return failure(422, "Service %q is invalid: spec.ports[0].nodePort: Invalid value: %s: provided port is already allocated", name, taken)
		}
	}
	s.store(q, name, body, r.URL.Query().Get("fieldManager"))
	if q.kind.kind == "Namespace" {
		s.furnish(name)
	}
	return 201, body, q.path(name)
}

// store gives a new object what the server gives it.
func (s *apiServer) store(q request, name string, body map[string]any, manager string) {
	meta := child(body, "metadata")
	meta["uid"], meta["creationTimestamp"] = uuid.NewString(), s.now.Format(time.RFC3339)
	if q.kind.kind == "PersistentVolumeClaim" && meta["annotations"] == nil {
		meta["annotations"] = map[string]any{}
	}
	s.touch(body, manager)
	s.objects[q.path(name)] = body
	s.writes++
}

func (s *apiServer) touch(body map[string]any, manager string) {
	s.revision++
	meta := child(body, "metadata")
	meta["resourceVersion"] = strconv.Itoa(s.revision)
	fields := []any{}
	for _, f := range list(meta, "managedFields") {
		if entry, _ := f.(map[string]any); entry["manager"] != manager {
			fields = append(fields, entry)
		}
	}
	meta["managedFields"] = append(fields, map[string]any{"manager": manager, "operation": "Update", "apiVersion": "v1",
		"time": s.now.Format(time.RFC3339), "fieldsType": "FieldsV1", "fieldsV1": map[string]any{}})
}

// furnish puts into a new namespace what its controllers put there.
func (s *apiServer) furnish(namespace string) {
	for resource, name := range map[string]string{"serviceaccounts": "default", "configmaps": "kube-root-ca.crt"} {
		q := request{version: "v1", resource: resource, namespace: namespace, kind: s.kinds["/v1/"+resource]}
		s.store(q, name, map[string]any{"apiVersion": "v1", "kind": q.kind.kind,
			"metadata": map[string]any{"name": name, "namespace": namespace}}, "kube-controller-manager")
	}
}

func (s *apiServer) allocate(body map[string]any, owner string) (taken string) {
	for _, p := range list(body, "spec", "ports") {
		port, _ := p.(map[string]any)
		asked, _ := port["nodePort"].(float64)
		if text(body, "spec", "type") != "NodePort" {
			continue
		}
		if asked == 0 {
			asked = float64(30000 + rand.IntN(2000))
			port["nodePort"] = asked
		}
		if by := s.ports[int64(asked)]; by != "" && by != owner {
			return fmt.Sprint(asked)
		}
		s.ports[int64(asked)] = owner
	}
	return ""
}

func (s *apiServer) patch(q request, r *http.Request) (int, any, string) {
	object := s.objects[q.path(q.name)]
	if object == nil {
		return failure(404, "%s %q not found", q.resource, q.name)
	}
	patch, _ := io.ReadAll(r.Body)
	before, _ := json.Marshal(object)
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return failure(400, "%v", err)
	}
	var changed map[string]any
	_ = json.Unmarshal(after, &changed)
	if text(changed, "metadata", "resourceVersion") != text(object, "metadata", "resourceVersion") {
		return failure(409, "the object has been modified")
	}
	selector := fmt.Sprint(child(object, "spec", "selector"))
	if q.kind.kind == "Deployment" && selector != fmt.Sprint(child(changed, "spec", "selector")) {
		return failure(422, "field is immutable")
	}
	if again, _ := json.Marshal(changed); string(again) == string(before) {
		return 200, object, ""
	}
	s.touch(changed, r.URL.Query().Get("fieldManager"))
	s.objects[q.path(q.name)] = changed
	s.writes++
	return 200, changed, q.path(q.name)
}

func (s *apiServer) remove(q request) (int, any, string) {
	path := q.path(q.name)
	if s.objects[path] == nil {
		return failure(404, "%s %q not found", q.resource, q.name)
	}
	delete(s.objects, path)
	s.writes++
	return 200, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"}, path
}

func decodeBody(r io.Reader) (map[string]any, error) {
	var body map[string]any
	if err := json.NewDecoder(r).Decode(&body); err != nil {
		return nil, err
	}
	if child(body, "metadata") == nil {
		return nil, fmt.Errorf("no metadata")
	}
	return body, nil
}

// find returns an object by "group/Kind namespace/name" as Ref writes it.
func (s *apiServer) find(ref string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, object := range s.objects {
		entry, err := newEntry(object, false)
		if err == nil && entry.String() == ref {
			return object
		}
	}
	return nil
}

// have puts objects into the cluster as another manager's.
func (s *apiServer) have(t *testing.T, bodies ...map[string]any) {
	t.Helper()
	for _, body := range bodies {
		entry, err := newEntry(body, false)
		if err != nil {
			t.Fatal(err)
		}
		encoded, _ := json.Marshal(body)
		var copied map[string]any
		_ = json.Unmarshal(encoded, &copied)
		for path, kind := range s.kinds {
			group, rest, _ := strings.Cut(path, "/")
			if group == entry.Group && kind.kind == entry.Kind {
				version, resource, _ := strings.Cut(rest, "/")
				q := request{group: group, version: version, resource: resource, namespace: entry.Namespace, kind: kind}
				s.store(q, entry.Name, copied, "somebody")
			}
		}
	}
}
