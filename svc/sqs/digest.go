package sqs

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
)

// digest is the MD5 of message attributes, which are in the order of their names: of
// each its name and type with their lengths, what sort of value follows, and the value
// with its length.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func digest(attrs []attribute) (sum [16]byte) {
	h := md5.New()
	for i := range attrs {
		a := &attrs[i]
		measured(h, a.name)
		measured(h, a.kind)
		if a.binary {
			h.Write([]byte{2})
		} else {
			h.Write([]byte{1})
		}
		measured(h, a.value)
	}
	h.Sum(sum[:0])
	return sum
}

func measured(h hash.Hash, s string) {
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
	_, _ = io.WriteString(h, s) // a hash never fails
}

func hexOf(sum [16]byte) *string { return new(hex.EncodeToString(sum[:])) }
