package aws

import (
	"encoding/base64"
	"encoding/json"
	"hash/crc32"
)

// Token makes an opaque page token of position, a value that encodes to JSON. What
// is in a token is no secret and no proof: whoever reads it checks it as input.
func Token(position any) string {
	b, err := json.Marshal(position)
	if err != nil {
		panic("aws: a page position that is not JSON: " + err.Error())
	}
	sum := crc32.ChecksumIEEE(b)
	b = append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken reads into position what Token made; false if the text was never a
// token, in which case the service answers with its own error for that.
func ParseToken(token string, position any) bool {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 5 {
		return false
	}
	body, tail := b[:len(b)-4], b[len(b)-4:]
	sum := crc32.ChecksumIEEE(body)
	if tail[0] != byte(sum>>24) || tail[1] != byte(sum>>16) || tail[2] != byte(sum>>8) || tail[3] != byte(sum) {
		return false
	}
	return json.Unmarshal(body, position) == nil
}

// Value is what p points to, or the zero value.
func Value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
