package sigv4

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"
)

// checksum is one of the sums that a trailer may carry. Without a hash it is of an
// algorithm that is not checked here: whoever stores the body may know it.
type checksum struct {
	hash.Hash
	name string
}

func (c *checksum) value() string { return base64.StdEncoding.EncodeToString(c.Sum(nil)) }

// nvme is the reflected polynomial of CRC-64/NVME.
const nvme = 0x9a6c9329ac4bc9b5

// newChecksum is the sum that a trailing header of that name carries, or nil.
func newChecksum(name string) *checksum {
	switch name {
	case "x-amz-checksum-crc32":
		return &checksum{crc32.NewIEEE(), name}
	case "x-amz-checksum-crc32c":
		return &checksum{crc32.New(crc32.MakeTable(crc32.Castagnoli)), name}
	case "x-amz-checksum-crc64nvme":
		return &checksum{crc64.New(crc64.MakeTable(nvme)), name}
	case "x-amz-checksum-sha1":
		return &checksum{sha1.New(), name}
	case "x-amz-checksum-sha256":
		return &checksum{sha256.New(), name}
	case "x-amz-checksum-sha512":
		return &checksum{sha512.New(), name}
	case "x-amz-checksum-md5":
		return &checksum{md5.New(), name}
	}
	if strings.HasPrefix(name, "x-amz-checksum-") {
		return &checksum{nil, name}
	}
	return nil
}

// CheckSums holds a whole body against what its headers say of it: Content-MD5, and where
// X-Amz-Sdk-Checksum-Algorithm says that there is one, the checksum of that algorithm. In
// requests that don't, such a header is of something else.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
func CheckSums(h http.Header, body []byte) error {
	if v := h.Get("Content-Md5"); v != "" {
		sum := md5.Sum(body)
		switch b, err := base64.StdEncoding.DecodeString(v); {
		case err != nil || len(b) != len(sum):
			return refuse(NoSum, "The Content-MD5 you specified was invalid.")
		case !bytes.Equal(b, sum[:]):
			return refuse(BadSum, "The Content-MD5 you specified did not match what we received.")
		}
	}
	algorithm := h.Get("X-Amz-Sdk-Checksum-Algorithm")
	sum := newChecksum("x-amz-checksum-" + strings.ToLower(algorithm))
	if sum == nil || sum.Hash == nil || h.Get(sum.name) == "" {
		return nil
	}
	sum.Write(body)
	if h.Get(sum.name) != sum.value() {
		return refuse(BadSum, "The %s you specified did not match the calculated checksum.", algorithm)
	}
	return nil
}
