// Package console is what every command shares: the context a person works in
// (service, subscription, resource group, vault), the client made from it, and
// how results are printed. It holds no rule about backups.
package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
	"holdfast.dev/holdfast/client"
)

// Console carries the global flags and the streams of one run.
type Console struct {
	In       io.Reader
	Out, Err io.Writer
	// ConfigPath is the file the contexts are kept in.
	ConfigPath string

	Output       string // table, json, jsonc, yaml, tsv, none; "" chooses
	Query        string // JMESPath
	ContextName  string
	Subscription string
	Group        string
	Vault        string
	NoWait       bool

	client *client.Client
}

// New returns a console on the standard streams.
func New() *Console {
	return &Console{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, ConfigPath: defaultConfigPath()}
}

// AddFlags registers the global flags on the root command.
func (c *Console) AddFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&c.Output, "output", "o", "", "table, json, yaml, tsv, csv or none (default: table on a terminal, json otherwise)")
	f.StringVar(&c.Query, "query", "", "JMESPath query over the JSON result")
	f.StringVar(&c.ContextName, "context", "", "use this context instead of the current one")
	f.StringVar(&c.Subscription, "subscription", "", "subscription id (default: the context's)")
	f.StringVarP(&c.Group, "resource-group", "g", "", "resource group (default: the context's)")
	f.StringVar(&c.Vault, "vault-name", "", "backup vault (default: the context's)")
	f.BoolVar(&c.NoWait, "no-wait", false, "do not wait for the long-running operation to end")
}

// Client returns the client of the current context.
func (c *Console) Client() (*client.Client, error) {
	if c.client != nil {
		return c.client, nil
	}
	ctx, err := c.Context()
	if err != nil {
		return nil, err
	}
	c.client, err = ctx.Client()
	return c.client, err
}

// SubscriptionID is the subscription commands work in.
func (c *Console) SubscriptionID() (string, error) {
	return c.choose(c.Subscription, "subscription", func(x *Context) string { return x.Subscription })
}

// GroupPath is the ARM id of the resource group commands work in.
func (c *Console) GroupPath() (string, error) {
	s, err := c.SubscriptionID()
	if err != nil {
		return "", err
	}
	g, err := c.choose(c.Group, "resource-group", func(x *Context) string { return x.ResourceGroup })
	if err != nil {
		return "", err
	}
	return "/subscriptions/" + s + "/resourceGroups/" + g, nil
}

// VaultPath is the ARM id of the vault commands work in.
func (c *Console) VaultPath() (string, error) {
	g, err := c.GroupPath()
	if err != nil {
		return "", err
	}
	v, err := c.choose(c.Vault, "vault-name", func(x *Context) string { return x.Vault })
	if err != nil {
		return "", err
	}
	return g + "/providers/Microsoft.DataProtection/backupVaults/" + v, nil
}

func (c *Console) choose(flag, name string, of func(*Context) string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	ctx, err := c.Context()
	if err != nil {
		return "", err
	}
	if v := of(ctx); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("no %s: give --%s, or set it once with 'holdfast context set --%s NAME'", name, name, name)
}

// Interactive reports whether results go to a terminal.
func (c *Console) Interactive() bool {
	f, ok := c.Out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Say prints a line for people, apart from the result.
func (c *Console) Say(format string, args ...any) {
	fmt.Fprintf(c.Err, format+"\n", args...)
}

// Explain turns an error into what a person reads: what failed, the code, and
// what to do.
func Explain(err error) string {
	var e *client.Error
	var p *agentv1.Problem
	switch {
	case errors.As(err, &e):
	case errors.As(err, &p):
		e = &client.Error{Code: p.Code, Message: p.Message, Actions: p.Actions}
	default:
		return "error: " + err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s", e.Message)
	if e.Code != "" {
		fmt.Fprintf(&b, "\n  code: %s", e.Code)
	}
	for _, a := range e.Actions {
		fmt.Fprintf(&b, "\n  what to do: %s", a)
	}
	return b.String()
}

// Exit codes of the command line.
const (
	ExitOK       = 0
	ExitFailed   = 1   // the service refused, or the work failed
	ExitUsage    = 2   // the command was given wrongly
	ExitNotFound = 3   // the resource does not exist
	ExitStopped  = 130 // interrupted
)

// ExitCode chooses the exit code for an error.
func ExitCode(err error) int {
	var usage *UsageError
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, context.Canceled):
		return ExitStopped
	case client.IsNotFound(err):
		return ExitNotFound
	case errors.As(err, &usage):
		return ExitUsage
	}
	return ExitFailed
}

// UsageError says that a command was given wrongly.
type UsageError struct{ Message string }

// Error gives the message.
func (e *UsageError) Error() string { return e.Message }

// Usage returns a UsageError.
func Usage(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}
