package snapshot

import (
	"fmt"
	"slices"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
)

// ClassAnnotation names, on a claim, the VolumeSnapshotClass to use for it.
const ClassAnnotation = "holdfast.dev/volume-snapshot-class"

// Annotations of others that are honoured.
const (
	veleroClassAnnotation = "velero.io/csi-volumesnapshot-class"
	defaultAnnotation     = "snapshot.storage.kubernetes.io/is-default-class"
)

// refusal is why a claim has no snapshot class.
type refusal struct{ code, reason string }

// chooseClass picks the class for a claim's driver: the one that the claim's
// annotation names, else the driver's default, else its only one. Two defaults,
// or several classes without a default, leave the choice to a person.
func chooseClass(annotations map[string]string, driver string, classes []snapshotv1.VolumeSnapshotClass) (string, *refusal) {
	for _, key := range []string{ClassAnnotation, veleroClassAnnotation} {
		if name := annotations[key]; name != "" {
			return namedClass(name, driver, classes)
		}
	}
	var all, defaults []string
	for _, class := range classes {
		if class.Driver != driver {
			continue
		}
		all = append(all, class.Name)
		if class.Annotations[defaultAnnotation] == "true" {
			defaults = append(defaults, class.Name)
		}
	}
	switch {
	case len(defaults) == 1:
		return defaults[0], nil
	case len(defaults) > 1:
		return "", &refusal{CodeClassAmbiguous, fmt.Sprintf("The driver %s has several default VolumeSnapshotClasses: %s.", driver, enumerate(defaults))}
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		return "", &refusal{CodeClassAmbiguous, fmt.Sprintf("The driver %s has several VolumeSnapshotClasses and none is the default: %s.", driver, enumerate(all))}
	}
	return "", &refusal{CodeClassMissing, fmt.Sprintf("The driver %s has no VolumeSnapshotClass.", driver)}
}

func namedClass(name, driver string, classes []snapshotv1.VolumeSnapshotClass) (string, *refusal) {
	for _, class := range classes {
		if class.Name == name && class.Driver == driver {
			return name, nil
		}
		if class.Name == name {
			return "", &refusal{CodeClassMismatch, fmt.Sprintf("The VolumeSnapshotClass %s, which the claim names, belongs to the driver %s and not to %s.", name, class.Driver, driver)}
		}
	}
	return "", &refusal{CodeClassMissing, fmt.Sprintf("The VolumeSnapshotClass %s, which the claim names, does not exist.", name)}
}

func enumerate(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
