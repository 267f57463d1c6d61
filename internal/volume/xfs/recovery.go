package xfs

import "context"

const (
	opHeader = 12 // bytes

	opStart     = 0x1
	opCommit    = 0x2
	opContinue  = 0x4
	opContinued = 0x8
	opEnd       = 0x10
	opUnmount   = 0x20

	transactionMagic  = 0x5452414E // TRAN
	transactionHeader = 16         // bytes

	maxMemory = 64 << 20 // bytes of transactions that are open, and of buffers
)

// recovery follows the log from tail to head, twice: what is cancelled
// somewhere must be known before anything is laid over the device.
type recovery struct {
	*super
	view      *view
	open      map[uint32]*transaction
	memory    int           // of open transactions
	cancelled map[place]int // how often
	each      func(item, uint64) error
}

// transaction is one that has not committed yet.
type transaction struct {
	lsn    uint64 // of the record it begins in
	header int    // bytes of its header that were seen
	items  []item
	size   int
}

// item is one logged thing: its format, and then what it needs.
type item struct {
	total   int // regions, the format counted
	regions [][]byte
	skip    bool // not about free space: its regions are counted, not kept
	seen    int
}

func (r *recovery) follow(ctx context.Context, l *log) error {
	r.cancelled = map[place]int{}
	for _, each := range []func(item, uint64) error{r.noteCancelled, r.apply} {
		r.open, r.memory, r.each = map[uint32]*transaction{}, 0, each
		if err := r.pass(ctx, l); err != nil {
			return err
		}
	}
	return r.checkSuper()
}

func (r *recovery) pass(ctx context.Context, l *log) error {
	walked := int64(0)
	for at := l.tail; at != l.head; {
		if err := ctx.Err(); err != nil {
			return err
		}
		record, ok, err := l.header(at)
		if err != nil {
			return err
		}
		if walked += record.blocks; !ok || walked > l.blocks {
			return unusable("there is no record at block %d of the log", at)
		}
		data, err := l.data(record)
		if err != nil {
			return err
		}
		if err := r.record(record, data); err != nil {
			return err
		}
		at = (at + record.blocks) % l.blocks
	}
	return nil
}

// record takes a record's operations apart.
func (r *recovery) record(rec record, data []byte) error {
	for range rec.ops {
		if len(data) < opHeader {
			return r.wrong("an operation")
		}
		id, length, flags := be.Uint32(data), int64(be.Uint32(data[4:])), data[9]
		if length > int64(len(data)-opHeader) {
			return r.wrong("an operation")
		}
		region := data[opHeader : opHeader+length]
		data = data[opHeader+length:]
		t := r.open[id]
		if t == nil {
			if flags&opStart != 0 { // others belong to what began before the tail
				r.open[id] = &transaction{lsn: rec.lsn}
			}
			continue
		}
		if err := r.operation(id, t, flags&^opEnd, region); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) operation(id uint32, t *transaction, flags byte, region []byte) error {
	if flags&opContinued != 0 {
		flags &^= opContinue
	}
	switch flags {
	case 0, opContinue:
		return r.region(t, region, false)
	case opContinued:
		return r.region(t, region, true)
	case opCommit:
		r.forget(id, t)
		return t.commit(r.each)
	case opUnmount:
		r.forget(id, t)
		return nil
	}
	return r.wrong("an operation")
}

func (r *recovery) forget(id uint32, t *transaction) {
	delete(r.open, id)
	r.memory -= t.size
}

// region adds a region, or the rest of the last one, to a transaction.
func (r *recovery) region(t *transaction, region []byte, continued bool) error {
	if t.header < transactionHeader {
		if t.header == 0 && (len(region) < 4 || le.Uint32(region) != transactionMagic) || t.header+len(region) > transactionHeader {
			return r.wrong("a transaction")
		}
		t.header += len(region)
		return nil
	}
	n := len(t.items)
	if continued {
		if n == 0 || t.items[n-1].seen == 0 {
			return r.wrong("a continued region")
		}
		return r.keep(t, &t.items[n-1], region, true)
	}
	if n == 0 || t.items[n-1].seen == t.items[n-1].total {
		if len(region) < 4 {
			return r.wrong("an item")
		}
		total := int(le.Uint16(region[2:]))
		if total == 0 {
			return r.wrong("an item")
		}
		t.items = append(t.items, item{total: total, skip: !aboutSpace(region)})
		if n = len(t.items); t.items[n-1].skip && n > 1 && t.items[n-2].skip && t.items[n-2].seen == t.items[n-2].total {
			t.items = append(t.items[:n-2], t.items[n-1]) // one that is skipped is as good as many
		}
		n = len(t.items)
	}
	t.items[n-1].seen++
	return r.keep(t, &t.items[n-1], region, false)
}

func (r *recovery) keep(t *transaction, i *item, region []byte, continued bool) error {
	if i.skip {
		return nil
	}
	t.size += len(region) + 64
	if r.memory += len(region) + 64; r.memory > maxMemory {
		return unusable("the log holds more than is looked at")
	}
	if continued {
		last := &i.regions[len(i.regions)-1]
		*last = append((*last)[:len(*last):len(*last)], region...)
	} else {
		i.regions = append(i.regions, append([]byte(nil), region...)) // not to hold the record
	}
	return nil
}

// commit hands out the items that are complete.
func (t *transaction) commit(each func(item, uint64) error) error {
	for _, i := range t.items {
		if i.seen != i.total {
			return unusable("a transaction in the log is not complete")
		}
		if i.skip {
			continue
		}
		if err := each(i, t.lsn); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) wrong(what string) error { return unusable("%s in the log makes no sense", what) }
