package store

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Inside the driver every key begins with the byte of its space.
const (
	spaceRecord = 'k' // the records: k, key
	spaceExpiry = 'x' // what expires when: x, time, key (empty values)
	spaceSystem = 's' // the store's own records: format
)

// A record's value begins with a byte that says what follows.
const (
	recordStays   = 0 // the value
	recordExpires = 1 // the time, then the value
)

// expiry is a time as the driver keeps it: microseconds since 1970. never is
// the expiry of what stays.
type expiry int64

const never expiry = 1<<63 - 1

func expiryOf(t time.Time) expiry { return expiry(t.UnixMicro()) }

// frameLen is the length of what frame appends.
func frameLen(value []byte, at expiry) int {
	if at == never {
		return 1 + len(value)
	}
	return 9 + len(value)
}

// frame appends the bytes that keep a value to dst.
func frame(dst, value []byte, at expiry) []byte {
	if at == never {
		return append(append(dst, recordStays), value...)
	}
	dst = binary.BigEndian.AppendUint64(append(dst, recordExpires), uint64(at))
	return append(dst, value...)
}

// unframe takes apart what frame made. The value is part of b.
func unframe(b []byte) (value []byte, at expiry, err error) {
	switch {
	case len(b) >= 1 && b[0] == recordStays:
		return b[1:], never, nil
	case len(b) >= 9 && b[0] == recordExpires:
		return b[9:], expiry(binary.BigEndian.Uint64(b[1:])), nil
	}
	return nil, 0, fmt.Errorf("%w: a record of %d bytes has no known frame", ErrDamaged, len(b))
}

// fullKey returns key within the space of the records.
func fullKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), spaceRecord), key...)
}

// fullEnd is fullKey for the end of a range, where empty means the last key.
func fullEnd(end []byte) []byte {
	if len(end) == 0 {
		return []byte{spaceRecord + 1}
	}
	return fullKey(end)
}

// expiryKey returns the key of the note that the record under a full key expires.
func expiryKey(at expiry, full []byte) []byte {
	b := append(make([]byte, 0, 9+len(full)), spaceExpiry)
	b = binary.BigEndian.AppendUint64(b, uint64(at)^1<<63)
	return append(b, full...)
}

// parseExpiryKey takes apart what expiryKey made.
func parseExpiryKey(k []byte) (at expiry, full []byte, err error) {
	if len(k) < 10 || k[0] != spaceExpiry {
		return 0, nil, fmt.Errorf("%w: %q is no expiry", ErrDamaged, k)
	}
	return expiry(binary.BigEndian.Uint64(k[1:]) ^ 1<<63), k[9:], nil
}
