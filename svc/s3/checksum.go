package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

// An algorithm is one of the checksums that S3 knows.
type algorithm struct {
	name string
	size int // bytes
	make func() hash.Hash
	// whole says that the sum of a whole can be told from those of its parts, and only
	// if all that, that there are sums of sums.
	whole, composite bool
}

// algorithms are all of them, in the order of the API's members.
var algorithms = [...]algorithm{
	{"CRC32", 4, func() hash.Hash { return crc32.NewIEEE() }, true, true},
	{"CRC32C", 4, func() hash.Hash { return crc32.New(castagnoli) }, true, true},
	{"CRC64NVME", 8, func() hash.Hash { return crc64nvme.New() }, true, false},
	{"MD5", 16, md5.New, false, true},
	{"SHA1", 20, sha1.New, false, true},
	{"SHA256", 32, sha256.New, false, true},
	{"SHA512", 64, sha512.New, false, true},
	{"XXHASH128", 16, func() hash.Hash { return xxh128{xxh3.New()} }, false, true},
	{"XXHASH3", 8, func() hash.Hash { return xxh3.New() }, false, true},
	{"XXHASH64", 8, func() hash.Hash { return xxhash.New() }, false, true},
}

// usual is the checksum of what its sender gave none.
const usual = "CRC64NVME"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type xxh128 struct{ *xxh3.Hasher }

func (x xxh128) Size() int { return 16 }

func (x xxh128) Sum(b []byte) []byte {
	s := x.Sum128().Bytes()
	return append(b, s[:]...)
}

// algorithmNamed finds an algorithm; nil for none.
func algorithmNamed(name string) *algorithm {
	for i := range algorithms {
		if algorithms[i].name == name {
			return &algorithms[i]
		}
	}
	return nil
}

func (a *algorithm) header() string { return "x-amz-checksum-" + strings.ToLower(a.name) }

// A sumSlots is where a structure of the API has its checksums, in the order of algorithms.
type sumSlots [len(algorithms)]**string

// given is the one checksum among slots; an empty one if there is none.
func (slots sumSlots) given() (sum, error) {
	var s sum
	for i, p := range slots {
		if *p == nil {
			continue
		}
		if s.Algorithm != "" {
			return s, errRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		s = sum{Algorithm: algorithms[i].name, Value: **p}
	}
	return s, nil
}

// tell puts a checksum into its slot.
func (slots sumSlots) tell(s sum) {
	for i := range algorithms {
		if algorithms[i].name == s.Algorithm {
			*slots[i] = &s.Value
		}
	}
}

// valid reports whether text can be a sum of the algorithm.
func (a *algorithm) valid(text string) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(b) == a.size
}

// wanted is what a sender says of the checksum of its body: a header with its value, or
// the algorithm, and the value behind the body.
type wanted struct {
	sum // the Value is "" where it comes behind the body
	// assumed says that it was not the sender who named the algorithm.
	assumed bool
	md5     []byte
	size    *int64
}

func want(slots sumSlots, algorithm, contentMD5 *string, size *int64) (wanted, error) {
	s, err := slots.given()
	w := wanted{sum: s, size: size}
	if err != nil {
		return w, err
	}
	switch name := aws.Value(algorithm); {
	case name != "" && s.Algorithm != "" && name != s.Algorithm:
		return w, errRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	case s.Algorithm == "":
		w.Algorithm = name
	}
	if a := algorithmNamed(s.Algorithm); a != nil && !a.valid(s.Value) {
		return w, errRequest("Value for %s header is invalid.", a.header())
	}
	if contentMD5 != nil {
		w.md5, err = base64.StdEncoding.DecodeString(*contentMD5)
		if err != nil || len(w.md5) != md5.Size {
			return w, aws.Errorf(400, "InvalidDigest", "The Content-MD5 you specified was invalid.").With(&struct {
				ContentMD5 string `aws:"Content-MD5"`
			}{*contentMD5})
		}
	}
	return w, nil
}

// combine is the checksum of a whole of the sums of its parts. The composite one is the
// sum of those sums.
func combine(a *algorithm, kind string, sums []string, sizes []int64) (sum, error) {
	out := sum{Algorithm: a.name, Type: kind}
	if kind == api.ChecksumTypeFullObject {
		var crc uint64
		for i, s := range sums {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil || len(b) != a.size {
				return out, errRecord
			}
			crc = a.join(crc, bigEndian(b), sizes[i])
		}
		b := make([]byte, 8)
		for i := range b {
			b[i] = byte(crc >> (56 - 8*i))
		}
		out.Value = base64.StdEncoding.EncodeToString(b[8-a.size:])
		return out, nil
	}
	h := a.make()
	for _, s := range sums {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return out, err
		}
		h.Write(b)
	}
	out.Value = base64.StdEncoding.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(sums))
	return out, nil
}

func bigEndian(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// join is the CRC of two parts of which the second has size bytes: that of the first,
// moved on over as many zeros, added to that of the second.
func (a *algorithm) join(first, second uint64, size int64) uint64 {
	poly, bits := uint64(crc32.IEEE), 32
	switch a.name {
	case "CRC32C":
		poly = crc32.Castagnoli
	case "CRC64NVME":
		poly, bits = nvme, 64
	}
	// Step is multiplication by x^(8·size) modulo the polynomial, bit-reflected.
	step, factor := uint64(1)<<(bits-1), shifted(uint64(1)<<(bits-1), 8, poly)
	for n := size; n > 0; n >>= 1 {
		if n&1 == 1 {
			step = product(step, factor, poly, bits)
		}
		factor = product(factor, factor, poly, bits)
	}
	return product(first, step, poly, bits) ^ second
}

// nvme is the reflected polynomial of CRC-64/NVME.
const nvme = 0x9a6c9329ac4bc9b5

// shifted is v times x^n.
func shifted(v uint64, n int, poly uint64) uint64 {
	for range n {
		v = v>>1 ^ poly&-(v&1)
	}
	return v
}

// product multiplies two polynomials, whose highest bit is their lowest power.
func product(a, b, poly uint64, bits int) uint64 {
	var p uint64
	for m := uint64(1) << (bits - 1); m != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
		}
		b = shifted(b, 1, poly)
	}
	return p
}

func sumsOfPut(x *api.PutObjectRequest) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfPutOutput(x *api.PutObjectOutput) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfGet(x *api.GetObjectOutput) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfHead(x *api.HeadObjectOutput) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfCopy(x *api.CopyObjectResult) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfUpload(x *api.UploadPartRequest) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfUploadOutput(x *api.UploadPartOutput) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfPartCopy(x *api.CopyPartResult) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfComplete(x *api.CompleteMultipartUploadRequest) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfCompleteOutput(x *api.CompleteMultipartUploadOutput) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfCompleted(x *api.CompletedPart) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfPart(x *api.Part) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfObjectPart(x *api.ObjectPart) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}

func sumsOfChecksum(x *api.Checksum) sumSlots {
	return sumSlots{&x.ChecksumCRC32, &x.ChecksumCRC32C, &x.ChecksumCRC64NVME, &x.ChecksumMD5, &x.ChecksumSHA1, &x.ChecksumSHA256, &x.ChecksumSHA512, &x.ChecksumXXHASH128, &x.ChecksumXXHASH3, &x.ChecksumXXHASH64}
}
