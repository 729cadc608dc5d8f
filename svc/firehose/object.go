package firehose

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

// An object is one that S3 is to hold.
type object struct {
	to      *bucketPlan
	key     string
	body    []byte
	records int
	bytes   int64 // before they were compressed
	metric  string
	sent    bool
}

// name is a UUID for a part of a delivery: always the same for the same.
func (d *delivery) name(part string) string {
	sum := sha256.Sum256([]byte(d.job.batch.ID + "/" + part))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// moment is what the prefix of an object is evaluated with, whose oldest record is given.
func (d *delivery) moment(b *bucketPlan, oldest time.Time, part string) *moment {
	n := 0
	return &moment{at: oldest.In(b.zone), random: func() string {
		n++
		sum := sha256.Sum256([]byte(d.job.batch.ID + "/" + part + "/" + strconv.Itoa(n)))
		text := strings.Repeat("0", randomLength) + new(big.Int).SetBytes(sum[:10]).Text(36)
		return text[len(text)-randomLength:]
	}}
}

// suffix is the part of a key behind the prefix.
// https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html
func (d *delivery) suffix(m *moment, part string) string {
	return fmt.Sprintf("%s-%d-%s-%s", d.at.name, d.st.Version, m.at.Format("2006-01-02-15-04-05"), d.name(part))
}

// data makes an object of records.
func (d *delivery) data(b *bucketPlan, list []record, keys map[string]string, body []byte, part, metric string) (*object, error) {
	m := d.moment(b, arrival(list), part)
	m.keys = keys
	name := d.suffix(m, part)
	extension := extensions[b.compression]
	if metric == "DeliveryToS3" && d.plan.convert != nil {
		extension = ".parquet"
	}
	if b.extension != "" {
		extension = b.extension
	}
	packed, err := compress(b.compression, name, body)
	if err != nil {
		return nil, err
	}
	return &object{to: b, key: b.data(m) + name + extension, body: packed, records: len(list), bytes: int64(len(body)), metric: metric}, nil
}

// joined is records one behind the other.
func joined(list []record) []byte {
	out := make([]byte, 0, sizeOf(list))
	for i := range list {
		out = append(out, list[i].data...)
	}
	return out
}

// A failure is a record that failed, as the objects of failures hold it.
type failure struct {
	AttemptsMade           int    `json:"attemptsMade"`
	ArrivalTimestamp       int64  `json:"arrivalTimestamp"`
	ErrorCode              string `json:"errorCode,omitempty"`
	ErrorMessage           string `json:"errorMessage,omitempty"`
	LastErrorCode          string `json:"lastErrorCode,omitempty"`
	LastErrorMessage       string `json:"lastErrorMessage,omitempty"`
	AttemptEndingTimestamp int64  `json:"attemptEndingTimestamp"`
	RawData                string `json:"rawData"`
	LambdaARN              string `json:"lambdaArn,omitempty"`
	DocumentID             string `json:"esDocumentId,omitempty"`
	IndexName              string `json:"esIndexName,omitempty"`
	EventID                string `json:"EventId,omitempty"`
}

// failed makes an object of records that failed in some part of a delivery, a line for each.
func (d *delivery) failed(kind, part string, list []record, no *refusal) (*object, error) {
	var body bytes.Buffer
	out, now := json.NewEncoder(&body), d.s.Clock.Now().UnixMilli()
	out.SetEscapeHTML(false)
	for i := range list {
		r := &list[i]
		f := failure{AttemptsMade: d.tries(), ArrivalTimestamp: r.came.UnixMilli(), AttemptEndingTimestamp: now, RawData: base64.StdEncoding.EncodeToString(r.data), LambdaARN: no.trouble.function}
		code, message := no.trouble.code, no.trouble.message
		if own, ok := no.codes[r.id]; ok {
			code, message, _ = strings.Cut(own, ": ")
		}
		switch {
		case kind == conversionFailed:
			f.LastErrorCode, f.LastErrorMessage = code, message
		default:
			f.ErrorCode, f.ErrorMessage = code, message
		}
		switch d.plan.kind {
		case kindSearch, kindElastic, kindServerless:
			if kind != processingFailed {
				f.DocumentID, f.IndexName = r.id, d.index(r.came)
			}
		case kindSplunk:
			f.EventID = r.id
		}
		if err := out.Encode(f); err != nil {
			return nil, err
		}
	}
	b := d.plan.bucket
	m := d.moment(b, arrival(list), kind+part)
	m.failure = kind
	name := d.suffix(m, kind+part)
	packed, err := compress(b.compression, name, body.Bytes())
	if err != nil {
		return nil, err
	}
	return &object{to: b, key: b.failed(m) + name + extensions[b.compression], body: packed, records: len(list), bytes: sizeOf(list), metric: "BackupToS3"}, nil
}

// writeObjects writes what was not written yet.
func (d *delivery) writeObjects(ctx context.Context, sh *shipment) error {
	for _, o := range sh.objects {
		if o.sent {
			continue
		}
		if err := d.writeObject(ctx, o); err != nil {
			if ctx.Err() == nil {
				d.measureDelivery(o.metric, false, 0, 0)
				d.s.roles.forget(d.at, o.to.role)
				d.report(ctx, o.to.log, o.to.role, trouble{destination: "arn:aws:s3:::" + o.to.bucket, code: codeOf("S3", err), message: textOf(err)})
			}
			return err
		}
		d.measureDelivery(o.metric, true, o.records, o.bytes)
		o.sent, o.body = true, nil
	}
	return nil
}

// writeObject writes an object as the role of its bucket. One of the same name, from a
// process that did not come to its end, is the same.
func (d *delivery) writeObject(ctx context.Context, o *object) error {
	acting, err := d.s.roles.acting(ctx, d.at, o.to.role)
	if err != nil {
		return err
	}
	in := &s3api.PutObjectRequest{Bucket: &o.to.bucket, Key: &o.key, Body: bytes.NewReader(o.body), ContentLength: new(int64(len(o.body))), ContentType: new("application/octet-stream")}
	if o.to.key != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = new("aws:kms"), &o.to.key
	}
	_, err = s3api.PutObject.Do(acting, d.s.Peers, in)
	if aws.CodeOf(err) == "NoSuchBucket" {
		return aws.Errorf(404, "NoSuchBucket", "The specified bucket does not exist: %s", o.to.bucket)
	}
	return err
}
