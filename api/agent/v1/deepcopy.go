package v1

import "slices"

// The two types below hold a time.Time, which the generator cannot copy though
// it is a plain value; so their copying is written by hand.

// DeepCopyInto copies a Volume.
func (in *Volume) DeepCopyInto(out *Volume) { *out = *in }

// DeepCopy copies a Volume; nil stays nil.
func (in *Volume) DeepCopy() *Volume {
	if in == nil {
		return nil
	}
	out := *in
	return &out
}

// DeepCopyInto copies a BackupResult with its lists.
func (in *BackupResult) DeepCopyInto(out *BackupResult) {
	*out = *in
	out.Namespaces = slices.Clone(in.Namespaces)
	out.Volumes = slices.Clone(in.Volumes)
}

// DeepCopy copies a BackupResult; nil stays nil.
func (in *BackupResult) DeepCopy() *BackupResult {
	if in == nil {
		return nil
	}
	out := new(BackupResult)
	in.DeepCopyInto(out)
	return out
}
