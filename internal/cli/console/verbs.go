package console

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// Kind is a kind of resource as the common verbs need it.
type Kind struct {
	Version string // api-version
	// Path is the ARM id of the one named, or of the collection for "".
	Path func(name string) (string, error)
	// Resolve turns what a person typed into a name; nil takes it as it is.
	Resolve func(ctx context.Context, typed string) (string, error)
	// Render prepares a resource for printing; nil prints it as it came.
	Render  func(json.RawMessage) any
	Columns []Column // of tables
}

// Noun returns a command that groups verbs.
func Noun(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	for _, verb := range verbs {
		switch verb.Short { // of what, is known here
		case listAll, showOne:
			head, _, _ := strings.Cut(short, ":")
			verb.Short += ": " + strings.ToLower(head[:1]) + head[1:]
		}
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// NameFlag registers --name/-n on a command and requires it.
func NameFlag(cmd *cobra.Command, name *string, what string) *cobra.Command {
	cmd.Flags().StringVarP(name, "name", "n", "", what)
	_ = cmd.MarkFlagRequired("name")
	return cmd
}

// The short texts of verbs that every noun has; Noun completes them.
const listAll, showOne = "List all", "Show one"

// Show returns the command that shows one.
func (k Kind) Show(c *Console) *cobra.Command {
	var name string
	return NameFlag(&cobra.Command{Use: "show", Short: showOne, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := k.named(cmd.Context(), name)
		if err != nil {
			return err
		}
		out, err := c.Get(cmd.Context(), p, k.Version)
		if err != nil {
			return err
		}
		return c.Print(k.render(out), k.Columns...)
	}}, &name, k.nameFlag("show"))
}

// nameFlag is the text of --name of a verb.
func (k Kind) nameFlag(verb string) string {
	if k.Resolve != nil {
		return "name or friendly name of the one to " + verb
	}
	return "name of the one to " + verb
}

// List returns the command that lists all.
func (k Kind) List(c *Console) *cobra.Command {
	return &cobra.Command{Use: "list", Short: listAll, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := k.Path("")
		if err != nil {
			return err
		}
		items, err := c.List(cmd.Context(), p, k.Version)
		if err != nil {
			return err
		}
		out := make([]any, len(items))
		for i, item := range items {
			out[i] = k.render(item)
		}
		return c.Print(out, k.Columns...)
	}}
}

// Delete returns the command that deletes one, after asking.
func (k Kind) Delete(c *Console, short string) *cobra.Command {
	var name string
	cmd := NameFlag(&cobra.Command{Use: "delete", Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		p, err := k.named(cmd.Context(), name)
		if err != nil {
			return err
		}
		_, err = c.Call(cmd.Context(), http.MethodDelete, p, k.Version, nil)
		return err
	}}, &name, k.nameFlag("delete"))
	Confirm(c, cmd)
	return cmd
}

// named is the ARM id of the one that a person means.
func (k Kind) named(ctx context.Context, typed string) (string, error) {
	if k.Resolve == nil {
		return k.Path(typed)
	}
	name, err := k.Resolve(ctx, typed)
	if err != nil {
		return "", err
	}
	return k.Path(name)
}

func (k Kind) render(raw json.RawMessage) any {
	if k.Render == nil {
		return raw
	}
	return k.Render(raw)
}

// Below builds the ARM id of a child, or of the collection for "".
func Below(parent string, err error, collection, name string) (string, error) {
	if err != nil {
		return "", err
	}
	if name == "" {
		return parent + "/" + collection, nil
	}
	return parent + "/" + collection + "/" + name, nil
}
