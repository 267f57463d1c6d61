package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// server answers discovery and paged lists as an API server does, from memory.
// It runs in a process of its own, so that only the reader is measured.
type server struct {
	objects map[string][][]byte // by plural name, in the order of a list
}

func newServer(p place) (*server, error) {
	s := &server{objects: map[string][][]byte{}}
	for r, err := range p.records() {
		if err != nil {
			return nil, err
		}
		for _, kind := range kinds {
			if strings.HasPrefix(r.key, kind.Key("", "")[:len(kind.Key("", ""))-1]) {
				s.objects[kind.Name] = append(s.objects[kind.Name], bytes.Clone(r.value))
			}
		}
	}
	return s, nil
}

// ServeHTTP answers what a collection asks.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/api":
		answer(w, metav1.APIVersions{Versions: []string{"v1"}})
	case "/apis":
		apps := metav1.GroupVersionForDiscovery{GroupVersion: "apps/v1", Version: "v1"}
		answer(w, metav1.APIGroupList{Groups: []metav1.APIGroup{{
			Name: "apps", Versions: []metav1.GroupVersionForDiscovery{apps}, PreferredVersion: apps}}})
	case "/api/v1", "/apis/apps/v1":
		answer(w, served(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/"), "/api/")))
	default:
		s.list(w, r)
	}
}

func served(version string) metav1.APIResourceList {
	list := metav1.APIResourceList{GroupVersion: version}
	for _, kind := range kinds {
		if (kind.Group == "apps") == (version == "apps/v1") {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: kind.Name, Kind: kind.Kind, Namespaced: true, Verbs: metav1.Verbs{"list", "create"}})
		}
	}
	return list
}

// list answers one page; a token is the number of objects before it.
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	all, found := s.objects[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
	if !found {
		http.NotFound(w, r)
		return
	}
	query := r.URL.Query()
	limit, _ := strconv.Atoi(query.Get("limit"))
	from, _ := strconv.Atoi(query.Get("continue"))
	to, token := from+limit, strconv.Itoa(from+limit)
	if to >= len(all) {
		to, token = len(all), ""
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"100","continue":%q},"items":[`, token)
	for i, object := range slices.All(all[from:to]) {
		if i > 0 {
			w.Write([]byte(","))
		}
		w.Write(object)
	}
	w.Write([]byte("]}"))
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a client that went away needs no answer
}
