package dynamodb

import (
	"encoding/binary"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// A change is what a stream tells of one write, as far as its view goes.
type change struct {
	name      string // INSERT, MODIFY or REMOVE
	byService bool
	at        time.Time // to the millisecond
	keys      api.Item
	old, new  api.Item // nil for none, or not in view
}

// The names of changes, by their bytes in the store.
var changeNames = [...]string{1: "INSERT", 2: "MODIFY", 3: "REMOVE"}

// announce writes what the streams of w's table tell of w, in w's transaction. A write that
// changes nothing is not told of.
func (w *write) announce(s *Service, tx store.Tx, n *store.Numbers) error {
	c := change{byService: w.byService, at: s.clock.Now()}
	kind := byte(2)
	switch {
	case w.old == nil && w.new == nil, w.old != nil && w.new != nil && value.EqualItems(w.old, w.new):
		return nil
	case w.old == nil:
		kind = 1
	case w.new == nil:
		kind = 3
	}
	// The number comes after the old item has been read; see numbering.
	number, err := n.Take()
	if err != nil {
		return err
	}
	c.keys = w.table.key(w.item)
	for i := range w.table.Feeds {
		if f := &w.table.Feeds[i]; f.Status == api.DestinationStatusActive {
			c.old, c.new = w.old, w.new
			if err := waitingRecords.PutExpiring(tx, w.at.scope, c.encode(kind), c.at.Add(retention), f.Space, number); err != nil {
				return err
			}
		}
	}
	if w.table.Stream == nil {
		return nil
	}
	c.old, c.new = nil, nil
	view := w.table.Stream.View
	if view == api.StreamViewTypeOldImage || view == api.StreamViewTypeNewAndOldImages {
		c.old = w.old
	}
	if view == api.StreamViewTypeNewImage || view == api.StreamViewTypeNewAndOldImages {
		c.new = w.new
	}
	return changeRecords.PutExpiring(tx, w.at.scope, c.encode(kind), c.at.Add(retention), w.table.Stream.Space, number)
}

// changeVersion is the first byte of a change in the store.
const changeVersion = 1

var errChange = errors.New("dynamodb: a record of a stream is damaged")

// encode is a change as it lies in the store: the version, the kind, who made it, the
// time in milliseconds, and the items behind their lengths, 0 for none.
func (c *change) encode(kind byte) []byte {
	b := []byte{changeVersion, kind, 0}
	if c.byService {
		b[2] = 1
	}
	b = binary.AppendUvarint(b, uint64(c.at.UnixMilli()))
	for _, it := range []api.Item{c.keys, c.old, c.new} {
		if it == nil {
			b = append(b, 0)
			continue
		}
		item := value.Encode(it, value.ItemSize(it))
		b = append(binary.AppendUvarint(b, uint64(len(item))), item...)
	}
	return b
}

// decodeChange reads what encode wrote.
func decodeChange(b []byte) (*change, error) {
	if len(b) < 4 || b[0] != changeVersion || b[1] == 0 || int(b[1]) >= len(changeNames) {
		return nil, errChange
	}
	c := &change{name: changeNames[b[1]], byService: b[2] == 1}
	ms, n := binary.Uvarint(b[3:])
	if n <= 0 {
		return nil, errChange
	}
	c.at = time.UnixMilli(int64(ms)).UTC()
	b = b[3+n:]
	for _, it := range []*api.Item{&c.keys, &c.old, &c.new} {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errChange
		}
		b = b[n:]
		if size == 0 {
			continue
		}
		var err error
		if *it, _, err = value.Decode(b[:size]); err != nil {
			return nil, err
		}
		b = b[size:]
	}
	if len(b) > 0 {
		return nil, errChange
	}
	return c, nil
}
