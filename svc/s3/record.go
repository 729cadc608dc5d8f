package s3

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"
)

// Records that are read and written with every request have an encoding of their own:
// fields that are not empty, each as its number, its length and its bytes. A number
// once used stays its field's.

// fields writes a record.
type fields []byte

func (f *fields) text(number byte, s string) {
	if s == "" {
		return
	}
	*f = binary.AppendUvarint(append(*f, number), uint64(len(s)))
	*f = append(*f, s...)
}

func (f *fields) int(number byte, n int64) {
	if n == 0 {
		return
	}
	var b [binary.MaxVarintLen64]byte
	f.text(number, string(b[:binary.PutVarint(b[:], n)]))
}

func (f *fields) flag(number byte, on bool) {
	if on {
		f.int(number, 1)
	}
}

// pairs writes a map in the order of its keys.
func (f *fields) pairs(number byte, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b := binary.AppendUvarint(nil, uint64(len(k)))
		f.text(number, string(append(append(b, k...), m[k]...)))
	}
}

var errRecord = errors.New("s3: not a record")

// eachField reads a record.
func eachField(b []byte, yield func(number byte, value []byte) error) error {
	for len(b) > 0 {
		n, used := binary.Uvarint(b[1:])
		if used <= 0 || uint64(len(b)-1-used) < n {
			return errRecord
		}
		end := 1 + used + int(n)
		if err := yield(b[0], b[1+used:end]); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

func (f *fields) time(number byte, t time.Time) {
	if !t.IsZero() {
		f.int(number, t.UnixMilli())
	}
}

func readTime(b []byte) time.Time { return time.UnixMilli(readInt(b)).UTC() }

func readInt(b []byte) int64 {
	n, _ := binary.Varint(b)
	return n
}

func readPair(b []byte, into *map[string]string) error {
	n, used := binary.Uvarint(b)
	if used <= 0 || uint64(len(b)-used) < n {
		return errRecord
	}
	if *into == nil {
		*into = map[string]string{}
	}
	(*into)[string(b[used:used+int(n)])] = string(b[used+int(n):])
	return nil
}

// uint64Record is a number of its own.
type uint64Record uint64

// MarshalBinary implements encoding.BinaryMarshaler.
func (u uint64Record) MarshalBinary() ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(u)), nil
}

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (u *uint64Record) UnmarshalBinary(b []byte) error {
	if len(b) != 8 {
		return errRecord
	}
	*u = uint64Record(binary.BigEndian.Uint64(b))
	return nil
}
