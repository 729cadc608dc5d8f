package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// A tuple is written part by part: a tag for the part's type, then its bytes so
// that they sort as the values do. Text ends in 00 01 and writes each 00 as
// 00 FF, so a part never runs into the next and a tuple sorts before its own
// extensions. No tag is FF: a prefix's range ends at prefix + FF.
const (
	tagBytes  = 0x01 // escaped bytes
	tagString = 0x02 // escaped bytes
	tagInt    = 0x03 // 8 bytes, big-endian, sign flipped
	tagUint   = 0x04 // 8 bytes, big-endian
	tagTime   = 0x05 // seconds as an int, then 4 bytes of nanoseconds
	tagEnd    = 0xff
)

var errKey = errors.New("store: not a key")

// A Key is a tuple of parts: the place of a record in its table. The zero Key has
// no parts.
type Key struct {
	raw string
}

// MakeKey makes a key of strings, []byte, integers and time.Time, and of types
// built on them. Keys sort part by part; parts of one place should be of one type.
func MakeKey(parts ...any) (Key, error) {
	b, err := appendKey(nil, parts)
	return Key{string(b)}, err
}

// appendKey appends the encoding of parts to dst.
func appendKey(dst []byte, parts []any) ([]byte, error) {
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			dst = appendText(append(dst, tagString), v)
		case []byte:
			dst = appendText(append(dst, tagBytes), v)
		case int:
			dst = appendInt(append(dst, tagInt), int64(v))
		case int64:
			dst = appendInt(append(dst, tagInt), v)
		case uint64:
			dst = binary.BigEndian.AppendUint64(append(dst, tagUint), v)
		case time.Time:
			dst = appendInt(append(dst, tagTime), v.Unix())
			dst = binary.BigEndian.AppendUint32(dst, uint32(v.Nanosecond()))
		case Key:
			dst = append(dst, v.raw...)
		default:
			var err error
			if dst, err = appendNamed(dst, p); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// appendNamed appends a part whose type is built on one that a key may hold.
func appendNamed(dst []byte, part any) ([]byte, error) {
	v := reflect.ValueOf(part)
	switch v.Kind() {
	case reflect.String:
		return appendText(append(dst, tagString), v.String()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(append(dst, tagInt), v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return binary.BigEndian.AppendUint64(append(dst, tagUint), v.Uint()), nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return appendText(append(dst, tagBytes), v.Bytes()), nil
		}
	}
	name := "nil" // not %T, which would have every part on the heap
	if v.IsValid() {
		name = v.Type().String()
	}
	return nil, fmt.Errorf("store: %s cannot be part of a key", name)
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return append(dst, 0, 1)
}

func appendInt(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)^1<<63)
}

// partLen returns the length of the first part of raw, tag included.
func partLen(raw string) (int, error) {
	if raw == "" {
		return 0, errKey
	}
	n := 0
	switch raw[0] {
	case tagBytes, tagString:
		for i := 1; i+1 < len(raw); i++ {
			if raw[i] != 0 {
				continue
			}
			if raw[i+1] == 1 {
				return i + 2, nil
			}
			if raw[i+1] != 0xff {
				return 0, errKey
			}
			i++
		}
		return 0, errKey
	case tagInt, tagUint:
		n = 9
	case tagTime:
		n = 13
	}
	if n == 0 || len(raw) < n {
		return 0, errKey
	}
	return n, nil
}

// check returns an error unless raw is a whole number of well-formed parts.
func check(raw string) error {
	for raw != "" {
		n, err := partLen(raw)
		if err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}

// Len is the number of parts.
func (k Key) Len() int {
	n := 0
	for raw := k.raw; raw != ""; n++ {
		l, err := partLen(raw)
		if err != nil {
			return n
		}
		raw = raw[l:]
	}
	return n
}

// part returns the bytes of part i behind its tag, or "" if it has another type.
func (k Key) part(i int, tag byte) string {
	for raw := k.raw; ; i-- {
		n, err := partLen(raw)
		if err != nil || i == 0 && raw[0] != tag {
			return ""
		}
		if i == 0 {
			return raw[1:n]
		}
		raw = raw[n:]
	}
}

// String is part i, or "" if there is no such part or it is no string.
func (k Key) String(i int) string {
	s := strings.TrimSuffix(k.part(i, tagString), "\x00\x01")
	return strings.ReplaceAll(s, "\x00\xff", "\x00")
}

// Bytes is part i, or nil if there is no such part or it is no []byte.
func (k Key) Bytes(i int) []byte {
	p := k.part(i, tagBytes)
	if p == "" {
		return nil
	}
	return bytes.ReplaceAll([]byte(p[:len(p)-2]), []byte{0, 0xff}, []byte{0})
}

// Int is part i, or 0 if there is no such part or it is no signed integer.
func (k Key) Int(i int) int64 {
	return decodeInt(k.part(i, tagInt))
}

// Uint is part i, or 0 if there is no such part or it is no unsigned integer.
func (k Key) Uint(i int) uint64 {
	p := k.part(i, tagUint)
	if p == "" {
		return 0
	}
	return binary.BigEndian.Uint64([]byte(p))
}

// Time is part i, in UTC, or the zero time if there is no such part or it is no
// time.
func (k Key) Time(i int) time.Time {
	p := k.part(i, tagTime)
	if p == "" {
		return time.Time{}
	}
	return time.Unix(decodeInt(p[:8]), int64(binary.BigEndian.Uint32([]byte(p[8:])))).UTC()
}

// Parts returns the parts as MakeKey takes them: string, []byte, int64, uint64 and
// time.Time.
func (k Key) Parts() []any {
	var parts []any
	for raw := k.raw; raw != ""; {
		n, err := partLen(raw)
		if err != nil {
			return parts
		}
		one := Key{raw[:n]}
		switch raw[0] {
		case tagBytes:
			parts = append(parts, one.Bytes(0))
		case tagString:
			parts = append(parts, one.String(0))
		case tagInt:
			parts = append(parts, one.Int(0))
		case tagUint:
			parts = append(parts, one.Uint(0))
		case tagTime:
			parts = append(parts, one.Time(0))
		}
		raw = raw[n:]
	}
	return parts
}

// Compare is less than, equal to or greater than zero as k sorts before, with or
// after other.
func (k Key) Compare(other Key) int {
	return strings.Compare(k.raw, other.raw)
}

func decodeInt(p string) int64 {
	if p == "" {
		return 0
	}
	return int64(binary.BigEndian.Uint64([]byte(p)) ^ 1<<63)
}
