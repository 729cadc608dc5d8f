package sqs

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"

	api "github.com/tule-cloud/tule/api/sqs"
)

// A ref is a message within its queue: when it came there, in microseconds, and its id.
// Refs sort by time.
type ref [24]byte

func newRef(micros int64, id [16]byte) (r ref) {
	binary.BigEndian.PutUint64(r[:8], uint64(micros))
	copy(r[8:], id[:])
	return r
}

// at is when the message came to the queue, in microseconds.
func (r *ref) at() int64 { return int64(binary.BigEndian.Uint64(r[:8])) }

// id is the message's id.
func (r *ref) id() string {
	var out [36]byte
	b := r[8:]
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}

// A handle is what a receipt handle says: which receive of which message it is.
type handle struct {
	queue uint64
	ref   ref
	at    int64  // when the message was to become visible again; microseconds
	count uint64 // which receive of the message it was
	seq   uint64 // in a FIFO queue
	group string // in a FIFO queue
}

// handleMark begins every receipt handle, which makes it begin as AWS's do.
var handleMark = []byte{1, 1, 1}

// String is the receipt handle.
func (h *handle) String() string {
	b := make([]byte, 0, 80+len(h.group))
	b = append(b, handleMark...)
	b = binary.BigEndian.AppendUint64(b, h.queue)
	b = append(b, h.ref[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.at))
	b = binary.BigEndian.AppendUint64(b, h.seq)
	b = binary.AppendUvarint(b, h.count)
	b = append(b, h.group...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.StdEncoding.EncodeToString(b)
}

// parseHandle reads a receipt handle of a queue.
func parseHandle(q *queue, text string) (handle, error) {
	h, ok := decodeHandle(text)
	if !ok || h.queue != q.Number {
		return h, api.ReceiptHandleIsInvalid("The input receipt handle \"%.1024s\" is not a valid receipt handle.", text)
	}
	return h, nil
}

func decodeHandle(text string) (h handle, ok bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	const fixed = 3 + 8 + 24 + 8 + 8
	if err != nil || len(b) < fixed+1+4 || !bytes.HasPrefix(b, handleMark) {
		return h, false
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return h, false
	}
	h.queue = binary.BigEndian.Uint64(body[3:])
	copy(h.ref[:], body[11:])
	h.at = int64(binary.BigEndian.Uint64(body[35:]))
	h.seq = binary.BigEndian.Uint64(body[43:])
	var n int
	if h.count, n = binary.Uvarint(body[fixed:]); n <= 0 {
		return h, false
	}
	h.group = string(body[fixed+n:])
	return h, true
}

func (r *ref) uuid() (id [16]byte) {
	copy(id[:], r[8:])
	return id
}
