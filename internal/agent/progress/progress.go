// Package progress adds up how far a run is out of what its objects and volumes
// tell, each for itself.
//
//	objects + volumes that movers fill or read + volumes that drivers make -> one percentage
//
// The percentage grows as long as its parts do: what is not known yet counts at its
// most, and can only turn out to be less.
package progress

import agentv1 "holdfast.dev/holdfast/api/agent/v1"

// What parts count, in bytes of data that take about as long to be moved.
const (
	object = 1 << 20
	made   = 256 << 20 // a volume that its driver makes out of a snapshot
)

// most is the highest percentage of what is not over.
const most = 99

// Sum is what the volumes of a run, named by K, come to together. It is not safe for
// concurrent use.
type Sum[K comparable] struct{ parts map[K]*part }

type part struct {
	moved bool  // by a mover
	bytes int64 // at most, or what stands for them
	over  bool
	told  agentv1.Progress
}

// Move expects a volume of which a mover moves the given number of bytes at most.
func (s *Sum[K]) Move(k K, bytes int64) { s.add(k, &part{moved: true, bytes: bytes}) }

// Make expects a volume that its driver makes.
func (s *Sum[K]) Make(k K) { s.add(k, &part{bytes: made}) }

func (s *Sum[K]) add(k K, p *part) {
	if s.parts == nil {
		s.parts = map[K]*part{}
	}
	s.parts[k] = p
}

// Tell keeps what a mover has told last of a volume.
func (s *Sum[K]) Tell(k K, p agentv1.Progress) {
	if s.parts[k] == nil {
		s.Move(k, 0)
	}
	s.parts[k].told = p
}

// End says that nothing more happens to a volume, whatever became of it. It returns
// whether that is news.
func (s *Sum[K]) End(k K) bool {
	p := s.parts[k]
	if p == nil || p.over {
		return false
	}
	p.over = true
	return true
}

// Of returns the progress of the run when done of its objects are, of all there are.
// The phase, if there is one, is what volumes wait for.
func (s *Sum[K]) Of(done, all int64) agentv1.Progress {
	sum := agentv1.Progress{ItemsDone: done, ItemsTotal: all}
	share, whole, known := done*object, all*object, true
	for _, p := range s.parts {
		is, of := p.share()
		share, whole = share+is, whole+of
		if p.moved {
			sum.BytesDone += p.told.BytesDone
			sum.BytesTotal += of
			known = known && (p.over || p.told.BytesTotal > 0)
		}
		if w := p.told.Phase; w != "" && !p.over && (sum.Phase == "" || w < sum.Phase) { // the same every time
			sum.Phase = w
		}
	}
	if !known {
		sum.BytesTotal = 0
	}
	if whole > 0 {
		sum.Percent = min(most, int64(100*float64(share)/float64(whole)))
	}
	return sum
}

// share is what a part has done, of what it does at most.
func (p *part) share() (is, of int64) {
	switch {
	case p.over && p.moved:
		return p.told.BytesDone, p.told.BytesDone
	case p.over:
		return p.bytes, p.bytes
	case p.told.BytesTotal > 0:
		of = p.told.BytesTotal
	default:
		of = p.bytes
	}
	return p.told.BytesDone, max(of, p.told.BytesDone)
}
