package firehose

import (
	"bytes"
	"crypto/md5"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// aggregateMark begins a record into which the Kinesis Producer Library has put several.
var aggregateMark = []byte{0xf3, 0x89, 0x9a, 0xc2}

// deaggregated are records with those in place of the ones that hold several.
func deaggregated(list []record) []record {
	var out []record
	for i := range list {
		parts, ok := list[i].inside()
		if ok && out == nil {
			out = append(make([]record, 0, len(list)), list[:i]...)
		}
		switch {
		case ok:
			out = append(out, parts...)
		case out != nil:
			out = append(out, list[i])
		}
	}
	if out == nil {
		return list
	}
	return out
}

// inside are the records in one; ok is false for one that is none of the library's: it is
// not marked, or the digest at its end is not that of what it holds.
// https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
func (r *record) inside() (out []record, ok bool) {
	body, marked := bytes.CutPrefix(r.data, aggregateMark)
	if !marked || len(body) < md5.Size {
		return nil, false
	}
	body, digest := body[:len(body)-md5.Size], body[len(body)-md5.Size:]
	if sum := md5.Sum(body); !bytes.Equal(sum[:], digest) {
		return nil, false
	}
	var keys []string
	var places []uint64
	ok = fields(body, func(number protowire.Number, b []byte, _ uint64) bool {
		switch number {
		case 1:
			keys = append(keys, string(b))
		case 3:
			part := *r
			part.sub, part.id = len(out), fmt.Sprintf("%s-%d", r.id, len(out))
			part.data = nil
			place := uint64(0)
			inside := fields(b, func(number protowire.Number, b []byte, n uint64) bool {
				switch number {
				case 1:
					place = n
				case 3:
					part.data = b
				}
				return true
			})
			out, places = append(out, part), append(places, place)
			return inside
		}
		return true
	})
	for i := range out {
		if places[i] < uint64(len(keys)) {
			out[i].key = keys[places[i]]
		}
	}
	return out, ok && len(out) > 0
}

// fields yields the fields of a message: their bytes, or their number.
func fields(b []byte, yield func(number protowire.Number, bytes []byte, n uint64) bool) bool {
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return false
		}
		b = b[size:]
		var text []byte
		var n uint64
		switch kind {
		case protowire.BytesType:
			text, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		default:
			size = protowire.ConsumeFieldValue(number, kind, b)
		}
		if size < 0 || !yield(number, text, n) {
			return false
		}
		b = b[size:]
	}
	return true
}
