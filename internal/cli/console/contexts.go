package console

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"holdfast.dev/holdfast/client"
)

// Context is one place to work in: a service, who one is there, and defaults
// so that nobody types ids.
type Context struct {
	Name          string `json:"name"`
	Address       string `json:"address"`
	CA            string `json:"ca,omitempty"` // PEM, kept so that the file may go
	Tenant        string `json:"tenant"`
	ClientID      string `json:"clientId"`
	ClientSecret  string `json:"clientSecret"`
	Subscription  string `json:"subscription,omitempty"`
	ResourceGroup string `json:"resourceGroup,omitempty"`
	Vault         string `json:"vault,omitempty"`
}

// Config is the file of all contexts. It holds secrets and is readable by its
// owner only.
type Config struct {
	Current  string    `json:"current"`
	Contexts []Context `json:"contexts"`
}

func defaultConfigPath() string {
	if p := os.Getenv("HOLDFAST_CONFIG"); p != "" {
		return p
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "."
	}
	return filepath.Join(dir, "holdfast", "config.yaml")
}

// LoadConfig reads the contexts; a file that does not exist is an empty one.
func (c *Console) LoadConfig() (*Config, error) {
	data, err := os.ReadFile(c.ConfigPath)
	if errors.Is(err, os.ErrNotExist) {
		return &Config{}, nil
	}
	if err != nil {
		return nil, err
	}
	var cfg Config
	if err := yaml.UnmarshalStrict(data, &cfg); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.ConfigPath, err)
	}
	return &cfg, nil
}

// SaveConfig replaces the file of contexts.
func (c *Console) SaveConfig(cfg *Config) error {
	data, err := yaml.Marshal(cfg)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.ConfigPath), 0o700); err != nil {
		return err
	}
	tmp := c.ConfigPath + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, c.ConfigPath)
}

// Find returns the context of that name, or nil.
func (cfg *Config) Find(name string) *Context {
	for i := range cfg.Contexts {
		if cfg.Contexts[i].Name == name {
			return &cfg.Contexts[i]
		}
	}
	return nil
}

// Set adds or replaces a context and makes it the current one.
func (cfg *Config) Set(x Context) {
	cfg.Current = x.Name
	if old := cfg.Find(x.Name); old != nil {
		*old = x
		return
	}
	cfg.Contexts = append(cfg.Contexts, x)
}

// Context returns the context in use.
func (c *Console) Context() (*Context, error) {
	cfg, err := c.LoadConfig()
	if err != nil {
		return nil, err
	}
	name := c.ContextName
	if name == "" {
		name = cfg.Current
	}
	if name == "" {
		return nil, Usage("not signed in: run 'holdfast login ADDRESS' first")
	}
	x := cfg.Find(name)
	if x == nil {
		return nil, Usage("no context %q: see 'holdfast context list'", name)
	}
	return x, nil
}

// Client returns a client for the context.
func (x *Context) Client() (*client.Client, error) {
	ca := []byte(x.CA)
	token, err := client.ClientCredentials(client.Credentials{Address: x.Address, CA: ca,
		Tenant: x.Tenant, ClientID: x.ClientID, Secret: x.ClientSecret})
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{Address: x.Address, CA: ca, Token: token})
}
