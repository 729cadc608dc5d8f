package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// maxCBORDepth is how deep items nest before a text is refused.
const maxCBORDepth = 128

// The major types of CBOR, RFC 8949 section 3.1.
const (
	cborUint byte = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

// A cborReader is a cursor over CBOR items, as awsjson.Reader is over JSON. No length
// in the text makes it allocate: what it holds is in proportion to what it has read.
type cborReader struct {
	buf   []byte
	pos   int
	depth int
}

type cborError struct {
	offset int
	reason string
}

func (e *cborError) Error() string { return fmt.Sprintf("cbor: %s at offset %d", e.reason, e.offset) }

func (r *cborReader) fail(reason string) error { return &cborError{r.pos, reason} }

// major is the major type of the next item, or 0xff at the end.
func (r *cborReader) major() byte {
	if r.pos >= len(r.buf) {
		return 0xff
	}
	return r.buf[r.pos] >> 5
}

// head consumes an item's head: its type, the count or value in it, and whether its
// length is indefinite.
func (r *cborReader) head() (major byte, n uint64, indefinite bool, err error) {
	if r.pos >= len(r.buf) {
		return 0, 0, false, r.fail("the text ends early")
	}
	c := r.buf[r.pos]
	major, info := c>>5, c&31
	size := 0
	switch {
	case info < 24:
		r.pos++
		return major, uint64(info), false, nil
	case info <= 27:
		size = 1 << (info - 24)
	case info == 31 && major >= cborBytes && major <= cborMap:
		r.pos++
		return major, 0, true, nil
	default:
		return 0, 0, false, r.fail("a byte that begins no item")
	}
	if len(r.buf)-r.pos-1 < size {
		return 0, 0, false, r.fail("the text ends early")
	}
	var b [8]byte
	copy(b[8-size:], r.buf[r.pos+1:r.pos+1+size])
	r.pos += 1 + size
	return major, binary.BigEndian.Uint64(b[:]), false, nil
}

// bytes consumes a byte or text string of the type, in one piece or in chunks.
func (r *cborReader) bytes(want byte) ([]byte, error) {
	start := r.pos
	major, n, indefinite, err := r.head()
	if err != nil {
		return nil, err
	}
	if major != want {
		r.pos = start
		return nil, r.fail("another type than expected")
	}
	var out []byte
	if !indefinite {
		if out, err = r.take(n); err != nil {
			return nil, err
		}
	} else {
		for !r.isBreak() {
			major, n, indefinite, err := r.head()
			if err != nil {
				return nil, err
			}
			if major != want || indefinite {
				return nil, r.fail("a chunk of another type")
			}
			chunk, err := r.take(n)
			if err != nil {
				return nil, err
			}
			out = append(out, chunk...)
		}
	}
	if want == cborText && !utf8.Valid(out) {
		return nil, &cborError{start, "a text that is not UTF-8"}
	}
	return out, nil
}

func (r *cborReader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.buf)-r.pos) {
		return nil, r.fail("the text ends early")
	}
	b := r.buf[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// isBreak consumes the end of an item of indefinite length, if it is there.
func (r *cborReader) isBreak() bool {
	if r.pos < len(r.buf) && r.buf[r.pos] == 0xff {
		r.pos++
		return true
	}
	return false
}

// null consumes null or undefined, if that is next.
func (r *cborReader) null() bool {
	if r.pos < len(r.buf) && (r.buf[r.pos] == 0xf6 || r.buf[r.pos] == 0xf7) {
		r.pos++
		return true
	}
	return false
}

// each consumes an array or map; it calls item for each element, or for each key,
// and item consumes what belongs to it.
func (r *cborReader) each(want byte, item func() error) error {
	start := r.pos
	major, n, indefinite, err := r.head()
	if err != nil {
		return err
	}
	if major != want {
		r.pos = start
		return r.fail("another type than expected")
	}
	if r.depth++; r.depth > maxCBORDepth {
		return r.fail("too deep a nesting")
	}
	for i := uint64(0); indefinite || i < n; i++ {
		if indefinite && r.isBreak() {
			break
		}
		if err := item(); err != nil {
			return err
		}
	}
	r.depth--
	return nil
}

// skip consumes an item of any type.
func (r *cborReader) skip() error {
	switch r.major() {
	case cborBytes, cborText:
		_, err := r.bytes(r.major())
		return err
	case cborArray:
		return r.each(cborArray, r.skip)
	case cborMap:
		return r.each(cborMap, func() error {
			if err := r.skip(); err != nil {
				return err
			}
			return r.skip()
		})
	case cborTag:
		if _, _, _, err := r.head(); err != nil {
			return err
		}
		if r.depth++; r.depth > maxCBORDepth {
			return r.fail("too deep a nesting")
		}
		err := r.skip()
		r.depth--
		return err
	}
	_, _, _, err := r.head()
	return err
}

// number consumes an integer or a float of any width. An integer beyond int64 comes
// as a float.
func (r *cborReader) number() (i int64, f float64, isInt bool, err error) {
	start := r.pos
	width := byte(0)
	if r.pos < len(r.buf) {
		width = r.buf[r.pos]
	}
	major, n, _, err := r.head()
	switch {
	case err != nil:
		return 0, 0, false, err
	case major == cborUint && n <= math.MaxInt64:
		return int64(n), float64(n), true, nil
	case major == cborUint:
		return 0, float64(n), false, nil
	case major == cborNegative && n <= math.MaxInt64:
		return -1 - int64(n), -1 - float64(n), true, nil
	case major == cborNegative:
		return 0, -1 - float64(n), false, nil
	case width == 0xf9:
		return 0, float16(uint16(n)), false, nil
	case width == 0xfa:
		return 0, float64(math.Float32frombits(uint32(n))), false, nil
	case width == 0xfb:
		return 0, math.Float64frombits(n), false, nil
	}
	r.pos = start
	return 0, 0, false, r.fail("another type than expected")
}

// float16 is the number of a half-precision pattern.
func float16(h uint16) float64 {
	exp, frac := int(h>>10)&31, float64(h&1023)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(frac, -24)
	case 31:
		if f = math.Inf(1); frac != 0 {
			return math.NaN()
		}
	default:
		f = math.Ldexp(1024+frac, exp-25)
	}
	if h>>15 != 0 {
		return -f
	}
	return f
}

// appendCBORHead appends the head of an item.
func appendCBORHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendCBORInt(b []byte, i int64) []byte {
	if i < 0 {
		return appendCBORHead(b, cborNegative, uint64(-1-i))
	}
	return appendCBORHead(b, cborUint, uint64(i))
}

func appendCBORText(b []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return append(appendCBORHead(b, cborText, uint64(len(s))), s...)
}
