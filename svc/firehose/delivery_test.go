package firehose

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

type storeReader = store.Reader

func scopeOf(account, region string) store.Scope {
	return store.Scope{Account: account, Region: region}
}

const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`

func matches(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(`\A` + pattern + `\z`).MatchString(text) {
		t.Errorf("%q is not %s", text, pattern)
	}
}

func TestBufferedByTime(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) { c.Prefix = new("prod-kinesis-data") })
	w.send(t, "s", "a", "b")
	w.pass(t, 299*time.Second)
	w.none(t)
	w.send(t, "s", "c")
	w.none(t)
	w.pass(t, time.Second)
	p := w.next(t)
	matches(t, p.key, `prod-kinesis-data2026/01/02/03/s-1-2026-01-02-03-04-05-`+uuid)
	if string(p.body) != "abc" || *p.in.Bucket != "b" || p.in.ServerSideEncryption != nil {
		t.Errorf("%q in %s", p.body, *p.in.Bucket)
	}
	w.empty(t)
	if w.meter.sum("IncomingRecords") != 3 || w.meter.sum("DeliveryToS3.Records") != 3 || w.meter.sum("DeliveryToS3.DataFreshness") != 300 {
		t.Errorf("%v", w.meter.of)
	}
}

func TestBufferedBySize(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.BufferingHints = &api.BufferingHints{SizeInMBs: new(int32(1))}
	})
	half := strings.Repeat("x", 600<<10)
	w.send(t, "s", half)
	w.none(t)
	w.send(t, "s", half, "y")
	if p := w.next(t); len(p.body) != 2*len(half)+1 {
		t.Errorf("%d bytes", len(p.body))
	}
	w.empty(t)
	// What is left of a count would make the next object come too early.
	w.send(t, "s", half)
	w.none(t)
	w.pass(t, 300*time.Second)
	if p := w.next(t); len(p.body) != len(half) {
		t.Errorf("%d bytes", len(p.body))
	}
}

func TestAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.BufferingHints = &api.BufferingHints{IntervalInSeconds: new(int32(0))}
	})
	w.send(t, "s", "now")
	if p := w.next(t); string(p.body) != "now" {
		t.Errorf("%q", p.body)
	}
}

// What is put before and after the service runs is delivered, and by the next process what
// one has left, under the same name if it was written already.
func TestRestart(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", nil)
	w.send(t, "s", "a")
	w.mu.Lock()
	w.refuse = func(string) error { return aws.Errorf(503, "SlowDown", "Please reduce your request rate.") }
	w.mu.Unlock()
	w.pass(t, 300*time.Second)
	until(t, func() bool { return w.meter.sum("IncomingRecords") == 1 && w.tries(t) > 0 })
	w.send(t, "s", "b")
	w.stop()
	w.start(t, nil)
	w.mu.Lock()
	w.refuse = nil
	w.mu.Unlock()
	w.pass(t, 300*time.Second)
	w.empty(t)
	all := map[string]string{}
	for len(w.written) > 0 {
		p := <-w.written
		if have, ok := all[p.key]; ok && have != string(p.body) {
			t.Errorf("%s is %q and %q", p.key, have, p.body)
		}
		all[p.key] = string(p.body)
	}
	text := ""
	for _, body := range all {
		text += body
	}
	if len(all) != 2 || text != "ab" && text != "ba" {
		t.Errorf("%v", all)
	}
}

// tries is how often the batches that are left were tried.
func (w *world) tries(t *testing.T) (n int) {
	t.Helper()
	err := w.house.Store.View(t.Context(), func(r store.Reader) error {
		n = 0
		for e, err := range batchRecords.All(t.Context(), r) {
			if err != nil {
				return err
			}
			n += e.Record.Tries
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTriedAgainAndGivenUp(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.CloudWatchLoggingOptions = &api.CloudWatchLoggingOptions{Enabled: new(true), LogGroupName: new("g"), LogStreamName: new("l")}
	})
	w.mu.Lock()
	w.refuse = func(string) error { return errors.New("no") }
	w.mu.Unlock()
	w.send(t, "s", "a")
	w.pass(t, 300*time.Second)
	until(t, func() bool { return w.tries(t) == 1 })
	w.pass(t, 2*time.Second)
	until(t, func() bool { return w.tries(t) == 2 })
	w.mu.Lock()
	if len(w.logged) == 0 || !strings.HasPrefix(w.logged[0], `g l {`) || !strings.Contains(w.logged[0], `"errorCode":"S3.InternalError"`) || !strings.Contains(w.logged[0], `"deliveryStreamVersionId":1`) {
		t.Errorf("%q", w.logged)
	}
	w.mu.Unlock()
	w.pass(t, 24*time.Hour)
	w.empty(t)
	w.nothing(t)
}

// nothing fails if anything was written.
func (w *world) nothing(t *testing.T) {
	t.Helper()
	if len(w.written) > 0 {
		t.Errorf("%s was written", (<-w.written).key)
	}
}

func TestDeletedWithRecords(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", nil)
	w.send(t, "s", "a")
	w.rest(t)
	call(t, w, api.DeleteDeliveryStream, &api.DeleteDeliveryStreamInput{DeliveryStreamName: new("s")})
	w.empty(t)
	w.s3(t, "s", nil)
	w.send(t, "s", "b")
	w.pass(t, 300*time.Second)
	if p := w.next(t); string(p.body) != "b" {
		t.Errorf("%q", p.body)
	}
}

func TestCompressed(t *testing.T) {
	text := strings.Repeat("some text ", 60000)
	for format, c := range map[string]struct {
		extension string
		read      func(b []byte) ([]byte, error)
	}{
		api.CompressionFormatGzip: {".gz", func(b []byte) ([]byte, error) {
			r, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		}},
		api.CompressionFormatSnappy: {".snappy", func(b []byte) ([]byte, error) { return io.ReadAll(snappy.NewReader(bytes.NewReader(b))) }},
		api.CompressionFormatZip: {".zip", func(b []byte) ([]byte, error) {
			z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
			if err != nil {
				return nil, err
			}
			f, err := z.File[0].Open()
			if err != nil {
				return nil, err
			}
			return io.ReadAll(f)
		}},
		api.CompressionFormatHadoopSnappy: {".hsnappy", func(b []byte) (out []byte, err error) {
			for len(b) > 0 {
				whole, n := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
				part, err := snappy.Decode(nil, b[8:8+n])
				if err != nil || len(part) != int(whole) {
					return nil, errors.New("a block is not as long as it says")
				}
				out, b = append(out, part...), b[8+n:]
			}
			return out, nil
		}},
		api.CompressionFormatUncompressed: {"", func(b []byte) ([]byte, error) { return b, nil }},
	} {
		t.Run(format, func(t *testing.T) {
			w := newWorld(t, nil)
			w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
				c.CompressionFormat = &format
				c.EncryptionConfiguration = &api.EncryptionConfiguration{KMSEncryptionConfig: &api.KMSEncryptionConfig{AWSKMSKeyARN: new("arn:aws:kms:us-east-1:000000000000:key/k")}}
			})
			w.send(t, "s", text)
			w.pass(t, 300*time.Second)
			p := w.next(t)
			matches(t, p.key, `2026/01/02/03/s-1-2026-01-02-03-04-05-`+uuid+regexp.QuoteMeta(c.extension))
			got, err := c.read(p.body)
			if err != nil || string(got) != text {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if *p.in.ServerSideEncryption != "aws:kms" || *p.in.SSEKMSKeyId != "arn:aws:kms:us-east-1:000000000000:key/k" {
				t.Errorf("%v", p.in)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Quota = 1 })
	w.s3(t, "s", nil)
	big := strings.Repeat("x", 700<<10)
	out := w.send(t, "s", big, big, big, "y")
	if *out.FailedPutCount != 2 || out.RequestResponses[1].RecordId == nil || *out.RequestResponses[2].ErrorCode != "ServiceUnavailableException" || *out.RequestResponses[3].ErrorMessage != "Slow down." {
		t.Errorf("%v", out)
	}
	put := &api.PutRecordInput{DeliveryStreamName: new("s"), Record: &api.Record{Data: []byte("z")}}
	if _, err := api.PutRecord.Do(w.house.Context(t.Context()), w.house, put); aws.CodeOf(err) != "ServiceUnavailableException" {
		t.Errorf("%v", err)
	}
	w.house.Clock.Advance(2 * time.Second)
	call(t, w, api.PutRecord, put)
	if w.meter.sum("ThrottledRecords") != 3 {
		t.Errorf("%v throttled", w.meter.sum("ThrottledRecords"))
	}
	w.pass(t, 300*time.Second)
	if p := w.next(t); string(p.body) != big+big+"z" {
		t.Errorf("%d bytes", len(p.body))
	}
}

func TestBackup(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.S3BackupMode = new("Enabled")
		c.S3BackupConfiguration = &api.S3DestinationConfiguration{BucketARN: new("arn:aws:s3:::raw"), RoleARN: new(role), Prefix: new("raw/"), CompressionFormat: new("GZIP")}
		c.ProcessingConfiguration = processing(processor("AppendDelimiterToRecord"))
	})
	w.send(t, "s", "a", "b")
	w.pass(t, 300*time.Second)
	one, two := w.next(t), w.next(t)
	if *one.in.Bucket != "raw" || !strings.HasSuffix(one.key, ".gz") || !strings.HasPrefix(one.key, "raw/2026/") || string(two.body) != "a\nb\n" {
		t.Errorf("%s %q", one.key, two.body)
	}
}

func processor(kind string, parameters ...string) api.Processor {
	p := api.Processor{Type: &kind}
	for i := 0; i < len(parameters); i += 2 {
		p.Parameters = append(p.Parameters, api.ProcessorParameter{ParameterName: &parameters[i], ParameterValue: &parameters[i+1]})
	}
	return p
}

func processing(list ...api.Processor) *api.ProcessingConfiguration {
	return &api.ProcessingConfiguration{Enabled: new(true), Processors: list}
}
