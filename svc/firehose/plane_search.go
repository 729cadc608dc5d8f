package firehose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// maxBulk is how many bytes of documents one request carries.
const maxBulk = 10 << 20

// A cluster is where documents go.
type cluster struct {
	endpoint, index, kind, rotation string
	named                           bool // documents have ids
}

func (d *delivery) cluster() cluster {
	named := func(o *api.DocumentIdOptions) bool {
		return o == nil || *o.DefaultDocumentIdFormat == api.DefaultDocumentIdFormatFirehoseDefault
	}
	switch to := d.plan.to; {
	case to.Search != nil:
		c := to.Search
		return cluster{*c.ClusterEndpoint, *c.IndexName, aws.Value(c.TypeName), *c.IndexRotationPeriod, named(c.DocumentIdOptions)}
	case to.Elastic != nil:
		c := to.Elastic
		return cluster{*c.ClusterEndpoint, *c.IndexName, aws.Value(c.TypeName), *c.IndexRotationPeriod, named(c.DocumentIdOptions)}
	default:
		c := to.Serverless
		return cluster{*c.CollectionEndpoint, *c.IndexName, "", api.AmazonopensearchserviceIndexRotationPeriodNoRotation, false}
	}
}

// index is the index of a record that came at a time.
func (d *delivery) index(came time.Time) string {
	c := d.cluster()
	return c.index + rotated(c.rotation, came)
}

// rotated is what a rotation appends to an index.
// https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html#es-index-rotation
func rotated(period string, at time.Time) string {
	switch at = at.UTC(); period {
	case api.AmazonopensearchserviceIndexRotationPeriodOneHour:
		return at.Format("-2006-01-02-15")
	case api.AmazonopensearchserviceIndexRotationPeriodOneDay:
		return at.Format("-2006-01-02")
	case api.AmazonopensearchserviceIndexRotationPeriodOneWeek:
		year, week := at.ISOWeek()
		return fmt.Sprintf("-%d-w%02d", year, week)
	case api.AmazonopensearchserviceIndexRotationPeriodOneMonth:
		return at.Format("-2006-01")
	}
	return ""
}

// pushSearch gives records to a cluster as documents, in bulks. Those that it refuses for
// what they are fail; where it is busy, they are tried again.
func (d *delivery) pushSearch(ctx context.Context, list []record) *refusal {
	c := d.cluster()
	no := &refusal{codes: map[string]string{}, permanent: true, trouble: trouble{destination: c.endpoint}}
	for len(list) > 0 {
		var body bytes.Buffer
		n := 0
		for n < len(list) && (n == 0 || body.Len()+len(list[n].data) < maxBulk) {
			r := &list[n]
			n++
			if !json.Valid(r.data) {
				no.left = append(no.left, *r)
				no.codes[r.id] = d.plan.kind + ".JsonParsingException: The record is not valid JSON."
				no.trouble.code, no.trouble.message = d.plan.kind+".JsonParsingException", "The record is not valid JSON."
				list = append(list[:n-1:n-1], list[n:]...)
				n--
				continue
			}
			c.document(&body, r, c.index+rotated(c.rotation, r.came))
		}
		if n > 0 {
			d.bulk(ctx, &c, list[:n], body.Bytes(), no)
		}
		list = list[n:]
	}
	if len(no.left) == 0 {
		return nil
	}
	return no
}

// document appends the two lines that put a record into an index.
func (c *cluster) document(b *bytes.Buffer, r *record, index string) {
	about := map[string]string{"_index": index}
	if c.kind != "" {
		about["_type"] = c.kind
	}
	if c.named {
		about["_id"] = r.id
	}
	line, _ := json.Marshal(map[string]any{"index": about}) // texts alone
	b.Write(line)
	b.WriteByte('\n')
	if json.Compact(b, r.data) == nil { // on one line
		b.WriteByte('\n')
	}
}

// bulk sends one request, and adds to no what it does not take.
func (d *delivery) bulk(ctx context.Context, c *cluster, list []record, body []byte, no *refusal) {
	refuse := func(code, message string, permanent bool) {
		no.left = append(no.left, list...)
		no.trouble.code, no.trouble.message = d.plan.kind+"."+code, message
		no.permanent = no.permanent && permanent
	}
	got, err := d.post(ctx, strings.TrimSuffix(c.endpoint, "/")+"/_bulk", map[string]string{"Content-Type": "application/x-ndjson"}, body, maxSearchAnswer)
	if err != nil {
		refuse("EndpointUnreachable", err.Error(), false)
		return
	}
	if got.status != http.StatusOK {
		refuse("HttpStatus"+strconv.Itoa(got.status), "Received the status "+strconv.Itoa(got.status)+" from the cluster: "+excerpt(got.body), false)
		return
	}
	type result struct {
		Status int             `json:"status"`
		Error  json.RawMessage `json:"error"`
	}
	var said struct {
		Errors bool                `json:"errors"`
		Items  []map[string]result `json:"items"`
	}
	if err := json.Unmarshal(got.body, &said); err != nil || said.Errors && len(said.Items) != len(list) {
		refuse("InvalidResponse", "The cluster's answer is not one to a bulk: "+excerpt(got.body), false)
		return
	}
	if !said.Errors {
		return
	}
	for i := range list {
		for _, r := range said.Items[i] {
			if r.Status < 300 {
				continue
			}
			again := r.Status == http.StatusTooManyRequests || r.Status >= 500
			code, message := d.plan.kind+".DocumentRefused"+strconv.Itoa(r.Status), excerpt(r.Error)
			no.left = append(no.left, list[i])
			no.codes[list[i].id] = code + ": " + message
			no.trouble.code, no.trouble.message = code, message
			no.permanent = no.permanent && !again
		}
	}
}

// excerpt is the beginning of a text, for logs.
func excerpt(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), 500)]), "\ufffd")
}
