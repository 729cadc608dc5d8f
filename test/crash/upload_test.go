package crash

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tule-cloud/tule/test/tule"
)

// TestKillUploads: uploads of all sizes, whole and cut off at a byte that chance chose,
// run while Tule is killed, TULE_KILLS times, 5 without. What was acknowledged is there,
// and what is there is whole, whether it came at once or in parts; of what was cut off
// nothing is there. Afterwards the disk has no more than what objects name.
func TestKillUploads(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "5"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	c, _ := bucketClients(house)
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("uploads")}); err != nil {
		t.Fatal(err)
	}
	u := uploads{acked: map[string]bool{}, cut: map[string]bool{}}
	for life := range kills {
		u.untilKilled(t, house, life)
		house = start(t, data)
	}
	there := u.check(t, house)
	if len(u.acked) < kills || len(u.cut) < kills {
		t.Errorf("%d uploads acknowledged and %d cut off in %d lives: too few to say anything", len(u.acked), len(u.cut), kills)
	}
	t.Logf("%d kills, %d uploads acknowledged, %d cut off, %d there that nobody was told of", kills, len(u.acked), len(u.cut), len(there)-len(u.acked))
	c, _ = bucketClients(house)
	for key := range there {
		if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("uploads"), Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	u.abort(t, c)
	u.nothingLeft(t, filepath.Join(data, "objects"))
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

// uploads are what the writers know of theirs, by key. A key says what its object holds.
type uploads struct {
	mu         sync.Mutex
	acked, cut map[string]bool
}

// bodyOf is what the object of a key of the form "kind/life/writer/n/size" holds.
func bodyOf(key string) []byte {
	size, err := strconv.Atoi(key[strings.LastIndexByte(key, '/')+1:])
	if err != nil {
		panic(err)
	}
	b, seed := make([]byte, size+8), sha256.Sum256([]byte(key))
	r := rand.NewChaCha8(seed)
	for i := 0; i < size; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:size]
}

func (u *uploads) untilKilled(t *testing.T, house *tule.Tule, life int) {
	var wg sync.WaitGroup
	var killed atomic.Bool
	var count atomic.Int64
	target, reached := 1+rand.Int64N(60), make(chan struct{})
	const inParts = 3
	kinds := []func(*testing.T, *tule.Tule, string) (bool, error){u.whole, u.torn, u.whole, inParts: u.parts, u.torn, u.whole}
	for w, send := range kinds {
		wg.Go(func() {
			for n := 0; ; n++ {
				size := []int{1, 30_000, 40_000, 300_000, 3 << 20}[rand.IntN(5)] + rand.IntN(1000)
				if w == inParts {
					size += 5 << 20
				}
				key := fmt.Sprintf("k/%d/%d/%d/%d", life, w, n, size)
				acked, err := send(t, house, key)
				if err != nil {
					if !killed.Load() {
						t.Errorf("%s: %v", key, err)
					}
					return
				}
				u.mu.Lock()
				if acked {
					u.acked[key] = true
				} else {
					u.cut[key] = true
				}
				u.mu.Unlock()
				if count.Add(1) == target {
					close(reached)
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(5 * time.Second): // a slow disk
	}
	killed.Store(true)
	house.Kill()
	wg.Wait()
}

// whole puts an object.
func (u *uploads) whole(t *testing.T, house *tule.Tule, key string) (bool, error) {
	c, _ := bucketClients(house)
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("uploads"), Key: &key, Body: bytes.NewReader(bodyOf(key))})
	return true, err
}

// torn sends some of an object, and hangs up, sometimes in the middle of a chunk.
func (u *uploads) torn(_ *testing.T, house *tule.Tule, key string) (bool, error) {
	address, body := strings.TrimPrefix(house.URL(), "http://"), bodyOf(key)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	now := time.Now().UTC()
	payload, length := "UNSIGNED-PAYLOAD", fmt.Sprintf("Content-Length: %d", len(body))
	if rand.IntN(2) == 0 {
		size := len(body)
		body = fmt.Appendf(nil, "%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", size, body)
		payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		length = fmt.Sprintf("Content-Length: %d\r\nX-Amz-Decoded-Content-Length: %d\r\nX-Amz-Trailer: x-amz-checksum-crc32", len(body), size)
	}
	head := fmt.Sprintf("PUT /uploads/%s HTTP/1.1\r\nHost: %s\r\nX-Amz-Date: %s\r\nX-Amz-Content-Sha256: %s\r\n"+
		"Authorization: AWS4-HMAC-SHA256 Credential=test/%s/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%064d\r\n%s\r\n\r\n",
		key, address, now.Format("20060102T150405Z"), payload, now.Format("20060102"), 0, length)
	_, err = io.WriteString(conn, head+string(body[:rand.IntN(len(body))]))
	if err == nil && rand.IntN(2) == 0 { // no more will come, and the answer is awaited
		if err = conn.(*net.TCPConn).CloseWrite(); err == nil {
			var res *http.Response
			if res, err = http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				defer res.Body.Close()
				if res.StatusCode == http.StatusOK {
					return false, fmt.Errorf("what was cut off was answered by %s", res.Status)
				}
			}
			if err != nil && (err == io.EOF || err == io.ErrUnexpectedEOF) {
				err = nil // hung up on, or killed
			}
		}
	}
	return false, err
}

// parts uploads an object in two parts.
func (u *uploads) parts(t *testing.T, house *tule.Tule, key string) (bool, error) {
	c, _ := bucketClients(house)
	body, bucket := bodyOf(key), aws.String("uploads")
	made, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: &key})
	if err != nil {
		return false, err
	}
	var done []types.CompletedPart
	for i, piece := range [][]byte{body[:5<<20], body[5<<20:]} {
		number := aws.Int32(int32(i + 1))
		part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: &key, UploadId: made.UploadId, PartNumber: number, Body: bytes.NewReader(piece)})
		if err != nil {
			return false, err
		}
		done = append(done, types.CompletedPart{PartNumber: number, ETag: part.ETag})
	}
	_, err = c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: &key, UploadId: made.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	return true, err
}

// check reads everything, and gives the keys that are there.
func (u *uploads) check(t *testing.T, house *tule.Tule) map[string]bool {
	c, _ := bucketClients(house)
	there := map[string]bool{}
	for p := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: aws.String("uploads")}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			there[*o.Key] = true
		}
	}
	for key := range there {
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("uploads"), Key: &key})
		if err != nil {
			t.Fatal(key, err)
		}
		got, err := io.ReadAll(out.Body)
		if err != nil || !bytes.Equal(got, bodyOf(key)) {
			t.Errorf("%s has %d bytes that are not what was sent, %v", key, len(got), err)
		}
		out.Body.Close()
	}
	for key := range u.acked {
		if !there[key] {
			t.Errorf("%s was acknowledged, and is not there", key)
		}
	}
	for key := range u.cut {
		if there[key] {
			t.Errorf("%s was cut off, and is there", key)
		}
	}
	return there
}

// abort ends the uploads whose process died before they were complete.
func (u *uploads) abort(t *testing.T, c *s3.Client) {
	out, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String("uploads")})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range out.Uploads {
		if _, err := c.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: out.Bucket, Key: one.Key, UploadId: one.UploadId}); err != nil {
			t.Fatal(err)
		}
	}
}

// nothingLeft waits until the disk has no bytes any more that no object names.
func (u *uploads) nothingLeft(t *testing.T, dir string) {
	var left []string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		left, _ = filepath.Glob(filepath.Join(dir, "*", "*"))
		if len(left) == 0 {
			return
		}
	}
	t.Errorf("%d files are left that no object names: %v …", len(left), left[:min(3, len(left))])
}
