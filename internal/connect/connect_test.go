package connect

import (
	"log/slog"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"holdfast.dev/holdfast/deploy"
)

var good = Inputs{Token: "t", AgentAddress: "https://h:1", ServiceCA: []byte("ca"), Image: "img:2", Requests: map[string]string{"cpu": "50m"}}

func TestInputsAreChecked(t *testing.T) {
	if err := good.check(); err != nil {
		t.Errorf("good inputs: %v", err)
	}
	for name, change := range map[string]func(*Inputs){
		"no token":     func(i *Inputs) { i.Token = "" },
		"no address":   func(i *Inputs) { i.AgentAddress = "" },
		"http address": func(i *Inputs) { i.AgentAddress = "http://h:1" },
		"no authority": func(i *Inputs) { i.ServiceCA = nil },
	} {
		inputs := good
		change(&inputs)
		if inputs.check() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestValuesReachTheChart(t *testing.T) {
	connector, err := release(&rest.Config{}, deploy.Connector, Namespace, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	got, err := connector.Render(t.Context(), good.values())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`image: "img:2"`, "cpu: 50m", "memory: 256Mi", "cpu: 1000m", "memory: 1280Mi", "aHR0cHM6Ly9oOjE="} {
		if !strings.Contains(got, want) {
			t.Errorf("rendered without %s", want)
		}
	}
}

func TestConfigThatIsNotThere(t *testing.T) {
	if _, err := Config(t.TempDir()+"/none", ""); err == nil {
		t.Error("loaded a kubeconfig that is not there")
	}
}
