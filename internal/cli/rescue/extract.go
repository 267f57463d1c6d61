package rescue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"holdfast.dev/holdfast/internal/cli/console"
	"holdfast.dev/holdfast/internal/repo"
	"holdfast.dev/holdfast/internal/rescue"
	"holdfast.dev/holdfast/internal/volume"
)

// wish is what is to be extracted, and to where.
type wish struct {
	objects   []string
	all       bool
	filter    rescue.Filter
	volume    string
	file      string
	to        string
	clean     bool
	overwrite bool
}

func extractCommand(k *kit) *cobra.Command {
	var w wish
	cmd := &cobra.Command{Use: "extract POINT", Short: "Give out objects, volumes or files of a recovery point", Args: cobra.ExactArgs(1),
		Long: "Give out objects, volumes or files of a recovery point.\n\n" +
			"  --object KIND/NAMESPACE/NAME          as YAML, to the standard output or the file --to; may be repeated\n" +
			"  --all [--namespace N] [--kind K]      as YAML files in the folder --to, or as one stream to the standard output\n" +
			"  --volume NAMESPACE/CLAIM              to the image file or device --to\n" +
			"  --volume NAMESPACE/CLAIM --file PATH  one file of an ext2, ext3 or ext4 volume, or a folder with all below, to --to\n\n" +
			"--clean gives objects that kubectl apply takes: without status, uids and owners.\n" +
			"What is damaged is listed; in volumes and files it is zeros. Then the exit code is 1.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := w.check(); err != nil {
				return err
			}
			f, p, err := k.point(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			return k.extract(cmd.Context(), p, w)
		}}
	f := cmd.Flags()
	f.StringArrayVar(&w.objects, "object", nil, "an object: KIND/NAMESPACE/NAME, or KIND/NAME for one without a namespace")
	f.BoolVar(&w.all, "all", false, "all objects")
	f.StringVar(&w.filter.Namespace, "namespace", "", "with --all, only objects of this namespace")
	f.StringVar(&w.filter.Kind, "kind", "", "with --all, only objects of this kind")
	f.StringVar(&w.volume, "volume", "", "a volume: NAMESPACE/CLAIM")
	f.StringVar(&w.file, "file", "", "with --volume, a file or folder in it")
	f.StringVar(&w.to, "to", "", "where it goes: a file, a folder or a device")
	f.BoolVar(&w.clean, "clean", false, "leave out of objects what a server or controller wrote")
	f.BoolVar(&w.overwrite, "overwrite", false, "write over what exists, also over a device")
	return cmd
}

func (w wish) check() error {
	chosen := 0
	for _, yes := range []bool{len(w.objects) > 0, w.all, w.volume != ""} {
		if yes {
			chosen++
		}
	}
	switch {
	case chosen != 1:
		return console.Usage("give one of --object, --all and --volume")
	case w.file != "" && w.volume == "":
		return console.Usage("--file needs --volume NAMESPACE/CLAIM")
	case w.volume != "" && w.to == "":
		return console.Usage("--volume needs --to, an image file or device, or - for a file of the volume")
	case w.filter != (rescue.Filter{}) && !w.all:
		return console.Usage("--namespace and --kind go with --all")
	}
	for _, o := range w.objects {
		if _, err := rescue.ParseObject(o); err != nil {
			return console.Usage("--object: %v", err)
		}
	}
	return nil
}

func (k *kit) extract(ctx context.Context, p rescue.Point, w wish) error {
	switch {
	case w.file != "":
		return k.extractFile(ctx, p, w)
	case w.volume != "":
		return k.extractVolume(ctx, p, w)
	case w.all && w.to != "" && w.to != "-":
		return k.extractAll(ctx, p, w)
	}
	return k.extractStream(ctx, p, w)
}

// create makes a file that must not exist, or may be written over.
func (w wish) create(name string) (*os.File, error) {
	file, err := os.OpenFile(name, w.flags(), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: choose another place, or give --overwrite", name)
	}
	return file, err
}

func (w wish) flags() int {
	if w.overwrite {
		return os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	return os.O_WRONLY | os.O_CREATE | os.O_EXCL
}

// output opens --to, or the standard output.
func (k *kit) output(w wish) (io.WriteCloser, error) {
	if w.to == "" || w.to == "-" {
		return standard{k.Out}, nil
	}
	return w.create(w.to)
}

// standard is the standard output, which stays open.
type standard struct{ io.Writer }

// Close does nothing.
func (standard) Close() error { return nil }

// extractStream writes objects as one stream of YAML documents.
func (k *kit) extractStream(ctx context.Context, p rescue.Point, w wish) (err error) {
	filters := []rescue.Filter{w.filter}
	if !w.all {
		filters = nil
		for _, o := range w.objects {
			filter, _ := rescue.ParseObject(o) // was checked
			filters = append(filters, filter)
		}
	}
	to, err := k.output(w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	tally := k.newTally()
	var missing []string
	for i, filter := range filters {
		count := 0
		err := p.Read(ctx, filter, func(o rescue.Object) error {
			count++
			text, err := w.yaml(o)
			if err == nil {
				_, err = fmt.Fprintf(to, "---\n%s", text)
			}
			return err
		}, tally.lost)
		if err != nil {
			return err
		}
		if count == 0 && !w.all {
			missing = append(missing, w.objects[i])
		}
	}
	if len(missing) > 0 {
		return errors.Join(fmt.Errorf("not in recovery point %s: %s; see 'holdfast rescue browse'", p.ID, strings.Join(missing, ", ")), tally.err())
	}
	return tally.err()
}

func (w wish) yaml(o rescue.Object) ([]byte, error) {
	raw := o.JSON
	if w.clean {
		var err error
		if raw, err = rescue.Clean(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", o, err)
		}
	}
	text, err := yaml.JSONToYAML(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	return text, nil
}

// extractAll writes one file for each object: NAMESPACE/KIND.GROUP/NAME.yaml.
func (k *kit) extractAll(ctx context.Context, p rescue.Point, w wish) error {
	line, tally, count := k.NewLine(), k.newTally(), int64(0)
	defer line.Done()
	err := p.Read(ctx, w.filter, func(o rescue.Object) error {
		text, err := w.yaml(o)
		if err != nil {
			return err
		}
		name := filepath.Join(w.to, fileOf(o))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		file, err := w.create(name)
		if err != nil {
			return err
		}
		_, err = file.Write(text)
		if count++; count%100 == 0 {
			line.Show("%d of %d objects written", count, p.Objects())
		}
		return errors.Join(err, file.Close())
	}, tally.lost)
	line.Done()
	if err != nil {
		return err
	}
	k.Say("%d objects written to %s", count, w.to)
	return tally.err()
}

// fileOf is the name of an object's file. Names of roles may hold colons, which
// some file systems do not take.
func fileOf(o rescue.Object) string {
	namespace, kind := o.Namespace, o.Kind
	if namespace == "" {
		namespace = "_cluster"
	}
	if o.Group != "" {
		kind += "." + o.Group
	}
	name := strings.NewReplacer(":", "_", `\`, "_").Replace(o.Name)
	if name == "." || name == ".." {
		name = "_" + name
	}
	return filepath.Join(plainPart(namespace), plainPart(kind), name+".yaml")
}

// plainPart keeps a made-up name from leading out of the folder.
func plainPart(name string) string {
	if name == "" || name == "." || name == ".." {
		return "_"
	}
	return name
}

// extractVolume writes a volume to an image or device.
func (k *kit) extractVolume(ctx context.Context, p rescue.Point, w wish) error {
	v, _, err := p.Volume(ctx, w.volume)
	if err != nil {
		return err
	}
	shape := v.Shape()
	info, err := os.Stat(w.to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		file, err := w.create(w.to)
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	case err != nil:
		return err
	case !w.overwrite:
		return fmt.Errorf("%s exists: give --overwrite to write over it; everything on it is lost then", w.to)
	case info.Mode().IsRegular():
		if err := os.Truncate(w.to, 0); err != nil {
			return err
		}
	}
	target, err := volume.OpenTarget(w.to, shape.Length, shape.BlockSize)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }() // Fill has waited for stable storage
	line := k.NewLine()
	defer line.Done()
	lost, err := p.Fill(ctx, w.volume, target, func(done int64) {
		line.Show("%s %s of at most %s", console.Bar(float64(done)/float64(max(1, shape.Length)), 30), console.Bytes(done), console.Bytes(shape.Length))
	})
	line.Done()
	if err != nil {
		return err
	}
	k.Say("volume %s of %s written to %s", w.volume, console.Bytes(shape.Length), w.to)
	return k.lostRanges(w.to, lost)
}

// lostRanges lists what is zeros and should not be.
func (k *kit) lostRanges(what string, lost []rescue.LostRange) error {
	var sum int64
	for _, l := range lost {
		sum += l.To - l.From
		k.Say("lost: bytes %d to %d of %s are zeros: %v", l.From, l.To, what, l.Err)
	}
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s of %s could not be read and are zeros", repo.ErrDamaged, console.Bytes(sum), what)
}
