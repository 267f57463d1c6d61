package gate_test

import (
	"net/http"
	"strings"
	"testing"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/internal/gate"
	"holdfast.dev/holdfast/internal/gate/gatetest"
)

func TestRepositoryNames(t *testing.T) {
	const id = "00112233445566778899aabbccddeeff"
	for name, want := range map[string]string{
		"repository": "read write", pack: "read write", index: "read write",
		"manifests/" + ours: "read write", "writers/" + ours: "read write",
		"manifests/" + theirs: "read", "writers/" + theirs: "read", "condemned/" + id: "read",
		"keys/" + id: "", "keys/service": "", "keys": "", "other": "", "repository/x": "", "Repository": "",
		"packs/" + id: "", "packs/01/" + id: "", "Packs/00/" + id: "", "packs/00/" + strings.ToUpper(id): "", "packs/00/" + id + "/x": "",
		"indexes/x": "", "indexes/" + id[2:]: "", "manifests/": "", "condemned/x": "", "x/" + pack: "",
	} {
		var got []string
		if gate.RepositoryNames(gatetest.Usual(), name, false) {
			got = append(got, "read")
		}
		if gate.RepositoryNames(gatetest.Usual(), name, true) {
			got = append(got, "write")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
	nobody := gatetest.Usual()
	nobody.RecoveryPoint = ""
	if gate.RepositoryNames(nobody, "manifests/"+ours, true) || !gate.RepositoryNames(nobody, pack, true) {
		t.Error("without a recovery point: packs only")
	}
}

// No path, however it is written, gets out of the grant's prefix or past the
// names. Each is put on the wire as it stands.
func TestPathTricks(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	const other = "repositories/ffffffffffffffffffffffffffffffff/"
	w.memory.Overwrite(other+pack, []byte("secret"))
	for _, path := range []string{
		"../ffffffffffffffffffffffffffffffff/" + pack, "..%2fffffffffffffffffffffffffffffffff%2f" + pack, "%2e%2e/ffffffffffffffffffffffffffffffff/" + pack,
		"..%252f" + pack, "..\\ffffffffffffffffffffffffffffffff\\" + pack, "..%5c" + pack, "packs/../" + pack, "./" + pack, "/" + pack, "//" + pack,
		"packs%2f00%2f00112233445566778899aabbccddeeff", strings.Replace(pack, "a", "%61", 1), pack + "/", pack + "/.", pack + "%00", pack + "%0d%0a",
		"packs//00/00112233445566778899aabbccddeeff", "PACKS/00/00112233445566778899aabbccddeeff", strings.ToUpper(pack), pack + "?x=y", pack + ";x",
		"/repositories/ffffffffffffffffffffffffffffffff/" + pack, "", strings.Repeat("a/", 600) + "a", "keys/service", "condemned/" + theirs, "manifests/" + theirs,
		"../../../objects/" + pack, "packs/00/%C0%AE%C0%AE/" + pack, "packs/00/00112233445566778899aabbccddeefé",
	} {
		for _, method := range []string{http.MethodPut, http.MethodGet, http.MethodHead} {
			length := "Content-Length: 0"
			if method == http.MethodPut {
				length = "Content-Length: 1"
			}
			c := w.dial()
			c.begin(method+" "+objects+path, length, "Connection: close")
			if method == http.MethodPut {
				c.write("x")
			}
			answer, err := http.ReadResponse(c.in, &http.Request{Method: method})
			if err != nil {
				continue // not even an answer
			}
			if answer.StatusCode < 400 {
				t.Errorf("%s %q: %d", method, path, answer.StatusCode)
			}
			answer.Body.Close()
		}
	}
	for _, name := range w.memory.Names("") {
		if name != other+pack {
			t.Errorf("there is %s", name)
		}
	}
}

// What the grant does not reach is not listed either.
func TestListShowsWhatIsReached(t *testing.T) {
	w := newWorld(t, gatetest.Options{})
	for _, name := range []string{gatetest.Prefix + pack, gatetest.Prefix + "keys/service", gatetest.Prefix + "manifests/" + theirs,
		gatetest.Prefix + "odd", "repositories/other/" + pack, "repositories/00112233445566778899aabbccddeeff-2/" + pack} {
		w.memory.Overwrite(name, []byte("x"))
	}
	want := `{"name":"manifests/` + theirs + `","size":1}` + "\n" + `{"name":"` + pack + `","size":1}` + "\n" + `{"end":true}` + "\n"
	if _, _, body := w.send(w.client(nil), w.request(http.MethodGet, agentv1.PathGateObjects, "")); body != want {
		t.Errorf("listed\n%s", body)
	}
}
