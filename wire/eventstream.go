package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// An EventMessage is one message of application/vnd.amazon.eventstream.
// https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
type EventMessage struct {
	Headers []EventHeader
	Payload []byte
}

// An EventHeader is a header of a message. Its value is a bool, int8, int16, int32,
// int64, []byte, string, time.Time or [16]byte (a UUID).
type EventHeader struct {
	Name  string
	Value any
}

// Get is the string value of the header called name, or "".
func (m *EventMessage) Get(name string) string {
	for _, h := range m.Headers {
		if h.Name == name {
			s, _ := h.Value.(string)
			return s
		}
	}
	return ""
}

const (
	preludeLength    = 12
	maxEventHeaders  = 128 << 10
	maxEventMessage  = 24 << 20
	minMessageLength = preludeLength + 4
)

// AppendEvent appends m as it goes over the wire.
func AppendEvent(b []byte, m *EventMessage) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, preludeLength)...)
	for _, h := range m.Headers {
		var err error
		if b, err = appendEventHeader(b, h); err != nil {
			return b[:start], err
		}
	}
	headers := len(b) - start - preludeLength
	b = append(b, m.Payload...)
	total := len(b) - start + 4
	if headers > maxEventHeaders || total > maxEventMessage {
		return b[:start], errors.New("wire: an event that is too large")
	}
	binary.BigEndian.PutUint32(b[start:], uint32(total))
	binary.BigEndian.PutUint32(b[start+4:], uint32(headers))
	binary.BigEndian.PutUint32(b[start+8:], crc32.ChecksumIEEE(b[start:start+8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:])), nil
}

func appendEventHeader(b []byte, h EventHeader) ([]byte, error) {
	if len(h.Name) == 0 || len(h.Name) > 255 {
		return b, fmt.Errorf("wire: an event header's name of %d bytes", len(h.Name))
	}
	b = append(append(b, byte(len(h.Name))), h.Name...)
	text := func(kind byte, s string) ([]byte, error) {
		if len(s) > 1<<15-1 {
			return b, fmt.Errorf("wire: an event header of %d bytes", len(s))
		}
		return append(binary.BigEndian.AppendUint16(append(b, kind), uint16(len(s))), s...), nil
	}
	switch v := h.Value.(type) {
	case bool:
		if v {
			return append(b, 0), nil
		}
		return append(b, 1), nil
	case int8:
		return append(b, 2, byte(v)), nil
	case int16:
		return binary.BigEndian.AppendUint16(append(b, 3), uint16(v)), nil
	case int32:
		return binary.BigEndian.AppendUint32(append(b, 4), uint32(v)), nil
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 5), uint64(v)), nil
	case []byte:
		return text(6, string(v))
	case string:
		return text(7, v)
	case time.Time:
		return binary.BigEndian.AppendUint64(append(b, 8), uint64(v.UnixMilli())), nil
	case [16]byte:
		return append(append(b, 9), v[:]...), nil
	}
	return b, fmt.Errorf("wire: an event header of type %T", h.Value)
}

// ReadEvent reads one message. It returns io.EOF at the end between messages, and
// never holds more than the message that it has seen the whole of.
func ReadEvent(r io.Reader) (*EventMessage, error) {
	var prelude [preludeLength]byte
	if _, err := io.ReadFull(r, prelude[:]); err != nil {
		return nil, err
	}
	total := binary.BigEndian.Uint32(prelude[:])
	headers := binary.BigEndian.Uint32(prelude[4:])
	if crc32.ChecksumIEEE(prelude[:8]) != binary.BigEndian.Uint32(prelude[8:]) {
		return nil, errors.New("wire: an event whose prelude has a wrong checksum")
	}
	if total < minMessageLength || total > maxEventMessage || headers > maxEventHeaders || headers > total-minMessageLength {
		return nil, errors.New("wire: an event whose lengths are out of bounds")
	}
	rest, err := io.ReadAll(io.LimitReader(r, int64(total-preludeLength)))
	if err == nil && len(rest) < int(total-preludeLength) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	body := rest[:len(rest)-4]
	sum := crc32.Update(crc32.ChecksumIEEE(prelude[:]), crc32.IEEETable, body)
	if sum != binary.BigEndian.Uint32(rest[len(rest)-4:]) {
		return nil, errors.New("wire: an event with a wrong checksum")
	}
	m := &EventMessage{Payload: body[headers:]}
	for h := body[:headers]; len(h) > 0; {
		var header EventHeader
		if header, h, err = parseEventHeader(h); err != nil {
			return nil, err
		}
		m.Headers = append(m.Headers, header)
	}
	return m, nil
}

var errEventHeader = errors.New("wire: an event with a damaged header")

func parseEventHeader(b []byte) (h EventHeader, rest []byte, err error) {
	n := int(b[0])
	if n == 0 || len(b) < n+2 {
		return h, nil, errEventHeader
	}
	h.Name = string(b[1 : 1+n])
	kind, b := b[1+n], b[2+n:]
	sizes := [...]int{0, 0, 1, 2, 4, 8, 2, 2, 8, 16}
	if int(kind) >= len(sizes) || len(b) < sizes[kind] {
		return h, nil, errEventHeader
	}
	value, b := b[:sizes[kind]], b[sizes[kind]:]
	if kind == 6 || kind == 7 {
		n := int(binary.BigEndian.Uint16(value))
		if n > len(b) {
			return h, nil, errEventHeader
		}
		value, b = b[:n], b[n:]
	}
	switch kind {
	case 0, 1:
		h.Value = kind == 0
	case 2:
		h.Value = int8(value[0])
	case 3:
		h.Value = int16(binary.BigEndian.Uint16(value))
	case 4:
		h.Value = int32(binary.BigEndian.Uint32(value))
	case 5:
		h.Value = int64(binary.BigEndian.Uint64(value))
	case 6:
		h.Value = value
	case 7:
		h.Value = string(value)
	case 8:
		h.Value = time.UnixMilli(int64(binary.BigEndian.Uint64(value))).UTC()
	case 9:
		h.Value = [16]byte(value)
	}
	return h, b, nil
}
