package rescue

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/rescue"
)

// listed is one object of a listing.
type listed struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Bytes     int    `json:"bytes"`
}

// entry is one file of a listing.
type entry struct {
	Mode  string    `json:"mode"`
	Size  int64     `json:"size"`
	Time  time.Time `json:"time"`
	Name  string    `json:"name"`
	Link  string    `json:"link,omitempty"`
	Error string    `json:"error,omitempty"`
}

func browseCommand(k *kit) *cobra.Command {
	var filter rescue.Filter
	var volume string
	cmd := &cobra.Command{Use: "browse POINT [PATH]", Short: "List the objects of a recovery point, or the files of a volume", Args: cobra.RangeArgs(1, 2),
		Long: "List the objects of a recovery point or, with --volume, the files of an ext2, ext3 or ext4 volume below PATH. " +
			"A file system that was in use is shown as a mount of it would be.",
		Example: "  holdfast rescue browse 5f0c --namespace shop --kind Secret ...\n  holdfast rescue browse 5f0c /var/lib --volume shop/data ...",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 && volume == "" {
				return console.Usage("a PATH needs --volume NAMESPACE/CLAIM")
			}
			f, p, err := k.point(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if volume == "" {
				return k.browseObjects(cmd.Context(), p, filter)
			}
			return k.browseFiles(cmd.Context(), p, volume, args[1:])
		}}
	cmd.Flags().StringVar(&filter.Namespace, "namespace", "", "only objects of this namespace")
	cmd.Flags().StringVar(&filter.Kind, "kind", "", "only objects of this kind: Deployment, deployments, deployments.apps or apps/Deployment")
	cmd.Flags().StringVar(&volume, "volume", "", "list the files of this volume: NAMESPACE/CLAIM")
	return cmd
}

func (k *kit) browseObjects(ctx context.Context, p rescue.Point, filter rescue.Filter) error {
	all := []listed{}
	tally := k.newTally()
	err := p.Read(ctx, filter, func(o rescue.Object) error {
		kind := o.Kind
		if o.Group != "" {
			kind = o.Group + "/" + kind
		}
		all = append(all, listed{kind, o.Namespace, o.Name, len(o.JSON)})
		return nil
	}, tally.lost)
	if err != nil {
		return err
	}
	if err := k.Print(all, console.Column{Title: "kind", Path: "kind"}, console.Column{Title: "namespace", Path: "namespace"},
		console.Column{Title: "name", Path: "name"}, console.Column{Title: "bytes", Path: "bytes"}); err != nil {
		return err
	}
	return tally.err()
}

func (k *kit) browseFiles(ctx context.Context, p rescue.Point, volume string, at []string) error {
	files, err := p.Files(ctx, volume)
	if err != nil {
		return err
	}
	for _, note := range files.Notes {
		k.Say("volume %s: %s", volume, note)
	}
	where := "."
	if len(at) == 1 {
		where = plainPath(at[0])
	}
	entries, err := files.ReadDir(where)
	if err != nil {
		return err
	}
	all, bad := []entry{}, 0
	for _, e := range entries {
		one := describe(e, func() (string, error) { return files.ReadLink(path.Join(where, e.Name())) })
		if one.Error != "" {
			bad++
		}
		all = append(all, one)
	}
	if err := k.Print(all, console.Column{Title: "mode", Path: "mode"}, console.Column{Title: "size", Path: "size"},
		console.Column{Title: "time", Path: "time"}, console.Column{Title: "name", Path: "name"},
		console.Column{Title: "link", Path: "link"}, console.Column{Title: "error", Path: "error"}); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d entries cannot be read", bad, len(all))
	}
	return nil
}

func describe(e fs.DirEntry, link func() (string, error)) entry {
	info, err := e.Info()
	if err != nil {
		return entry{Name: e.Name(), Error: err.Error()}
	}
	one := entry{Mode: info.Mode().String(), Size: info.Size(), Time: info.ModTime(), Name: e.Name()}
	if info.Mode().Type() == fs.ModeSymlink {
		if one.Link, err = link(); err != nil {
			one.Error = err.Error()
		}
	}
	return one
}

// plainPath makes of what a person writes a path as fs has them.
func plainPath(text string) string {
	clean := strings.TrimPrefix(path.Clean("/"+text), "/")
	if clean == "" {
		return "."
	}
	return clean
}

// tally tells of what is lost as it is found, and counts it.
type tally struct {
	kit     *kit
	objects int64
	places  int
}

func (k *kit) newTally() *tally { return &tally{kit: k} }

func (t *tally) lost(l rescue.Lost) {
	t.objects += l.Objects
	t.places++
	from, to := l.After, l.Last
	if from == "" {
		from = "the first"
	}
	if to == "" {
		to = "the last"
	}
	t.kit.Say("lost: %d objects between %s and %s: %v", l.Objects, from, to, l.Err)
}

// err is nil when nothing was lost.
func (t *tally) err() error {
	if t.places == 0 {
		return nil
	}
	return fmt.Errorf("%d objects of the recovery point cannot be read; all others were given out", t.objects)
}
