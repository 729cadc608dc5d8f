package value

import (
	"encoding/binary"
	"errors"

	"github.com/tule-cloud/tule/api/dynamodb"
)

// version is the first byte of an item in the store.
const version = 1

// maxSize is far above the size of any item.
const maxSize = 1 << 24

var errDamaged = errors.New("dynamodb: an item in the store is damaged")

// Encode is an item as it lies in the store: the version, the size as DynamoDB
// counts it (see ItemSize), and the attributes; lengths and counts are varints before what they
// count.
func Encode(it dynamodb.Item, size int) []byte {
	b := make([]byte, 0, size+4*len(it)+16)
	b = append(b, version)
	b = binary.AppendUvarint(b, uint64(size))
	return appendItem(b, it)
}

func appendItem(b []byte, it dynamodb.Item) []byte {
	b = binary.AppendUvarint(b, uint64(len(it)))
	for i := range it {
		b = appendText(b, it[i].Name)
		b = appendValue(b, it[i].Value)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendValue(b []byte, v dynamodb.AttributeValue) []byte {
	b = append(b, byte(v.Type()))
	switch v.Type() {
	case dynamodb.TypeBOOL:
		if v.Truth() {
			return append(b, 1)
		}
		return append(b, 0)
	case dynamodb.TypeS, dynamodb.TypeN, dynamodb.TypeB:
		return appendText(b, v.Text())
	case dynamodb.TypeSS, dynamodb.TypeNS, dynamodb.TypeBS:
		b = binary.AppendUvarint(b, uint64(len(v.Elements())))
		for _, e := range v.Elements() {
			b = appendText(b, e)
		}
	case dynamodb.TypeL:
		b = binary.AppendUvarint(b, uint64(len(v.List())))
		for _, e := range v.List() {
			b = appendValue(b, e)
		}
	case dynamodb.TypeM:
		return appendItem(b, v.Fields())
	}
	return b
}

// DecodeSize is the size of an item in the store, which costs next to nothing.
func DecodeSize(b []byte) (int, error) {
	if len(b) == 0 || b[0] != version {
		return 0, errDamaged
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size > maxSize {
		return 0, errDamaged
	}
	return int(size), nil
}

// Decode reads an item that Encode wrote, and its size.
func Decode(b []byte) (it dynamodb.Item, size int, err error) {
	if size, err = DecodeSize(b); err != nil {
		return nil, 0, err
	}
	_, n := binary.Uvarint(b[1:])
	d := decoder{rest: string(b[1+n:])}
	it = d.item(0)
	if d.bad || d.rest != "" {
		return nil, 0, errDamaged
	}
	return it, size, nil
}

// decoder cuts texts out of one string, so that an item costs few allocations.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) byte() byte {
	if d.rest == "" {
		d.bad = true
		return 0
	}
	c := d.rest[0]
	d.rest = d.rest[1:]
	return c
}

// count reads a varint that counts things of at least one byte each.
func (d *decoder) count() int {
	var n uint64
	for shift := uint(0); ; shift += 7 {
		c := d.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 || shift > 28 {
			break
		}
	}
	if n > uint64(len(d.rest)) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.count()
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) item(depth int) dynamodb.Item {
	it := make(dynamodb.Item, d.count())
	for i := range it {
		it[i].Name = d.text()
		it[i].Value = d.value(depth)
		if d.bad {
			return nil
		}
	}
	return it
}

func (d *decoder) value(depth int) dynamodb.AttributeValue {
	t := dynamodb.ValueType(d.byte())
	if depth > 2*MaxDepth {
		d.bad = true
	}
	if d.bad {
		return dynamodb.AttributeValue{}
	}
	switch t {
	case dynamodb.TypeS:
		return dynamodb.String(d.text())
	case dynamodb.TypeN:
		return dynamodb.Number(d.text())
	case dynamodb.TypeB:
		return dynamodb.Binary(d.text())
	case dynamodb.TypeBOOL:
		return dynamodb.Bool(d.byte() == 1)
	case dynamodb.TypeNULL:
		return dynamodb.Null()
	case dynamodb.TypeSS, dynamodb.TypeNS, dynamodb.TypeBS:
		set := make([]string, d.count())
		for i := range set {
			set[i] = d.text()
		}
		return dynamodb.Set(t, set)
	case dynamodb.TypeL:
		list := make([]dynamodb.AttributeValue, d.count())
		for i := range list {
			if list[i] = d.value(depth + 1); d.bad {
				break
			}
		}
		return dynamodb.List(list)
	case dynamodb.TypeM:
		return dynamodb.Map(d.item(depth + 1))
	}
	d.bad = true
	return dynamodb.AttributeValue{}
}
