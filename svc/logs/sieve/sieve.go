// Package sieve says of a text, from a sixteenth of its size, what cannot be in it. It is
// for whoever searches much text for little: what does not fall through a text's sieve
// need not be read.
//
// A sieve is a Bloom filter with one hash of two kinds of parts of a text: all that are
// three bytes long, which tell words; and of those that are eight bytes long an eighth,
// chosen by what they are, which tell numbers and ids: of them every three bytes are
// everywhere.
package sieve

import (
	"math/bits"
)

const (
	// Min is the size from which on a text is worth a sieve, in bytes.
	Min = 4 << 10
	// share is how many bytes of a text a byte of its sieve stands for, at most: a sieve's
	// size is a power of two.
	share = 16

	short, long = 3, 8 // bytes
	// chosen is how many leading zeros the hash of a long part has that counts.
	chosen = 3
	// Odd numbers without a pattern, which spread what is multiplied by them.
	factorShort, factorLong = 0x9e3779b1, 0x9e3779b97f4a7c15
)

// Of is the sieve of a text.
func Of(text []byte) []byte {
	size := 1 << (bits.Len(uint(max(len(text), share)-1)) - bits.Len(share-1))
	s := make([]byte, size)
	shift := 32 - uint(bits.Len(uint(size*8))-1)
	var v uint64 // the last eight bytes, the last of all on top
	for i, c := range text {
		v = v>>8 | uint64(c)<<56
		if i >= short-1 {
			h := hashShort(v) >> shift
			s[h>>3] |= 1 << (h & 7)
		}
		if h, ok := hashLong(v); ok && i >= long-1 {
			h >>= shift
			s[h>>3] |= 1 << (h & 7)
		}
	}
	return s
}

// hashShort is the hash of the last three bytes of v.
func hashShort(v uint64) uint32 { return uint32(v>>40) * factorShort }

// hashLong is the hash of v, if it is chosen.
func hashLong(v uint64) (h uint32, ok bool) {
	all := v * factorLong
	return uint32(all >> (32 - chosen)), all>>(64-chosen) == 0
}

// A Probe is a text that is looked for.
type Probe []uint32

// For is the probe of a text.
func For(text string) (p Probe) {
	var v uint64
	for i := range len(text) {
		v = v>>8 | uint64(text[i])<<56
		if i >= short-1 {
			p = append(p, hashShort(v))
		}
		if h, ok := hashLong(v); ok && i >= long-1 {
			p = append(p, h)
		}
	}
	return p
}

// May reports whether the text may be in one that has this sieve; false is certain. A
// sieve of a wrong size lets everything through.
func (p Probe) May(sieve []byte) bool {
	if n := len(sieve); n == 0 || n&(n-1) != 0 || n > 1<<28 {
		return true
	}
	shift := 32 - uint(bits.Len(uint(len(sieve)*8))-1)
	for _, h := range p {
		if h >>= shift; sieve[h>>3]&(1<<(h&7)) == 0 {
			return false
		}
	}
	return true
}
