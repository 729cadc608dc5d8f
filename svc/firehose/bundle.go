package firehose

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// A record is one on its way through.
type record struct {
	id   string
	data []byte
	came time.Time
	// Of a Kinesis stream's.
	shard, sequence, key string
	sub                  int // of an aggregated record, which one
	// keys are those of its partition, by namespace and name.
	keys map[string]string
}

// bundleVersion is the first byte of a bundle in the store.
const bundleVersion = 1

var errBundle = errors.New("firehose: a bundle of records is damaged")

// encodeBundle is records as they lie in the store: the version, when they were gathered in
// milliseconds, the shard that they are from, then for each when it came in milliseconds, its partition key and sequence number,
// and its data; whatever varies in length behind its length.
func encodeBundle(gathered time.Time, shard string, list []record) []byte {
	size := 1 + len(shard) + 2*binary.MaxVarintLen64
	for i := range list {
		size += len(list[i].data) + len(list[i].key) + len(list[i].sequence) + 4*binary.MaxVarintLen32
	}
	b := append(make([]byte, 0, size), bundleVersion)
	b = binary.AppendUvarint(b, uint64(gathered.UnixMilli()))
	b = appendText(b, shard)
	for i := range list {
		r := &list[i]
		b = binary.AppendUvarint(b, uint64(r.came.UnixMilli()))
		b = appendText(appendText(b, r.key), r.sequence)
		b = append(binary.AppendUvarint(b, uint64(len(r.data))), r.data...)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// decodeBundle reads what encodeBundle wrote; data is a part of b. The ids of the records
// follow from id, the bundle's.
func decodeBundle(id bundleID, b []byte) (gathered time.Time, list []record, err error) {
	if len(b) == 0 || b[0] != bundleVersion {
		return gathered, nil, errBundle
	}
	d := decoder{b[1:], true}
	gathered = time.UnixMilli(int64(d.number())).UTC()
	shard := string(d.bytes())
	for len(d.rest) > 0 {
		r := record{id: id.record(len(list)), shard: shard}
		r.came = time.UnixMilli(int64(d.number())).UTC()
		r.key, r.sequence = string(d.bytes()), string(d.bytes())
		r.data = d.bytes()
		if !d.ok {
			return gathered, nil, errBundle
		}
		list = append(list, r)
	}
	if !d.ok {
		return gathered, nil, errBundle
	}
	return gathered, list, nil
}

// A decoder reads numbers and texts, until one is not there.
type decoder struct {
	rest []byte
	ok   bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.ok, d.rest = false, nil
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.ok, d.rest = false, nil
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// A bundleID is a bundle's place among all.
type bundleID struct{ space, number uint64 }

// record is the id by which clients, functions and endpoints know a record of a bundle.
func (id bundleID) record(i int) string {
	return fmt.Sprintf("%016x%016x%08x", id.space, id.number, i)
}
