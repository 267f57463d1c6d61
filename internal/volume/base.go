package volume

import "fmt"

// CodeChangesNotTrusted is the code of the warning that the storage called
// blocks unchanged which had changed. The volume is then read in full.
const CodeChangesNotTrusted = "UserWarningChangedBlocksNotTrusted"

// Identity is what binds a stream to the volume it was read from. It is
// recorded in the manifest of the recovery point.
type Identity struct {
	Driver         string // CSI driver
	VolumeHandle   string // of the source volume
	ClaimUID       string // of the source claim
	VolumeMode     string // "Block" or "Filesystem"
	Size           int64  // bytes
	BlockSize      int64  // of the stream, bytes
	SnapshotHandle string // that the stream was read from
}

// Candidate is the stream of the recovery point before, as a possible base.
type Candidate struct {
	Identity
	SnapshotExists bool   // the storage still has it
	Unreadable     string // why the stream cannot be read; "" when it can
}

// Decision says what a candidate is good for.
type Decision struct {
	Base    bool   // its blocks may be compared with and taken over
	Changed bool   // the storage may be asked what changed since
	Reason  string // why not, for people; "" when both are true
}

// DecideBase says whether the candidate may be the base of a stream of now. It
// is a pure function. A wrong base is silent corruption, so everything must
// agree; comparing block by block needs no trust in the storage and stays
// possible when only the snapshot is gone.
func DecideBase(now Identity, before *Candidate) Decision {
	if before == nil {
		return Decision{Reason: "no recovery point before"}
	}
	if before.Unreadable != "" {
		return Decision{Reason: "the recovery point before cannot be read: " + before.Unreadable}
	}
	for _, same := range []struct{ what, now, before string }{
		{"driver", now.Driver, before.Driver},
		{"volume", now.VolumeHandle, before.VolumeHandle},
		{"claim", now.ClaimUID, before.ClaimUID},
		{"volume mode", now.VolumeMode, before.VolumeMode},
	} {
		if same.now == "" || same.now != same.before {
			return Decision{Reason: fmt.Sprintf("the recovery point before is of %s %q, this is %q", same.what, same.before, same.now)}
		}
	}
	switch {
	case now.BlockSize != before.BlockSize:
		return Decision{Reason: fmt.Sprintf("the recovery point before has blocks of %d bytes", before.BlockSize)}
	case now.Size < before.Size:
		return Decision{Reason: fmt.Sprintf("the volume shrank from %d bytes", before.Size)}
	case now.SnapshotHandle == "" || before.SnapshotHandle == "":
		return Decision{Base: true, Reason: "which snapshot the recovery point before was read from is not recorded"}
	case now.SnapshotHandle == before.SnapshotHandle:
		return Decision{Base: true, Reason: "the recovery point before was read from the same snapshot"}
	case !before.SnapshotExists:
		return Decision{Base: true, Reason: "the snapshot of the recovery point before is gone"}
	}
	return Decision{Base: true, Changed: true}
}
