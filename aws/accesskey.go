package aws

import (
	"encoding/base32"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// NewAccessKeyID makes an access key's id as AWS does: prefix ("AKIA", "ASIA") and
// sixteen characters of base 32, in whose bits 1 to 40 the account is.
func NewAccessKeyID(random io.Reader, prefix, account string) string {
	var b [10]byte
	mustRead(random, b[:])
	n, _ := strconv.ParseUint(account, 10, 64) // what is no account is account 0's
	head := 1<<47 | n<<7 | uint64(b[5]&0x7f)
	for i := range 6 {
		b[i] = byte(head >> (40 - 8*i))
	}
	return prefix + base32.StdEncoding.EncodeToString(b[:])
}

// AccountOfKey is the account in an access key's id; false if there is none, as in
// ids that were made otherwise.
func AccountOfKey(id string) (account string, ok bool) {
	if len(id) < 13 {
		return "", false
	}
	var n uint64
	for _, r := range id[4:13] { // 45 bits: a one, the account, and four at random
		d := strings.IndexRune(Base32, r)
		if d < 0 {
			return "", false
		}
		n = n<<5 | uint64(d)
	}
	if n>>44 == 0 {
		return "", false
	}
	if n = n >> 4 & (1<<40 - 1); n > 999999999999 {
		return "", false
	}
	return fmt.Sprintf("%012d", n), true
}
