package firehose

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	api "github.com/tule-cloud/tule/api/firehose"
)

// bucketOf is where what endpoints do not take goes.
func bucketOf() *api.S3DestinationConfiguration {
	return &api.S3DestinationConfiguration{BucketARN: new("arn:aws:s3:::b"), RoleARN: new(role), Prefix: new("p/")}
}

// answering is a Firehose whose endpoints answer by f.
func answering(t *testing.T, f roundTrip) *world {
	return newWorld(t, func(o *Options) { o.HTTP = f })
}

func (w *world) http(t *testing.T, change func(c *api.HttpEndpointDestinationConfiguration)) {
	t.Helper()
	c := &api.HttpEndpointDestinationConfiguration{EndpointConfiguration: &api.HttpEndpointConfiguration{Url: new("https://h.example.com/in?x=1"), AccessKey: new("key")}, S3Configuration: bucketOf(),
		BufferingHints: &api.HttpEndpointBufferingHints{IntervalInSeconds: new(int32(60))}, RetryOptions: &api.HttpEndpointRetryOptions{DurationInSeconds: new(int32(100))}}
	if change != nil {
		change(c)
	}
	call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: new("s"), HttpEndpointDestinationConfiguration: c})
}

func TestHTTPEndpoint(t *testing.T) {
	for _, packed := range []string{"NONE", "GZIP"} {
		var got http.Header
		var said []byte
		w := answering(t, func(r *http.Request, body []byte) (int, string, string) {
			got, said = r.Header, body
			if r.URL.String() != "https://h.example.com/in?x=1" {
				return 404, "", ""
			}
			return 200, "application/json; charset=utf-8", fmt.Sprintf(`{"requestId": %q, "timestamp": 1}`, r.Header.Get("X-Amz-Firehose-Request-Id"))
		})
		w.http(t, func(c *api.HttpEndpointDestinationConfiguration) {
			c.RequestConfiguration = &api.HttpEndpointRequestConfiguration{ContentEncoding: &packed, CommonAttributes: []api.HttpEndpointCommonAttribute{{AttributeName: new("env"), AttributeValue: new("prod")}}}
			c.S3BackupMode = new("AllData")
		})
		w.send(t, "s", "a", "b")
		w.pass(t, time.Minute)
		if p := w.next(t); string(p.body) != "ab" || !strings.HasPrefix(p.key, "p/2026/01/02/03/") {
			t.Errorf("%s: %q", p.key, p.body)
		}
		w.empty(t)
		if packed == "GZIP" {
			z, err := gzip.NewReader(bytes.NewReader(said))
			if err != nil {
				t.Fatal(err)
			}
			said, _ = io.ReadAll(z)
		}
		id := got.Get("X-Amz-Firehose-Request-Id")
		if want := fmt.Sprintf(`{"requestId":%q,"timestamp":%d,"records":[{"data":"YQ=="},{"data":"Yg=="}]}`, id, w.house.Clock.Now().UnixMilli()); string(said) != want {
			t.Errorf("%s\n%s", said, want)
		}
		for k, v := range map[string]string{"X-Amz-Firehose-Protocol-Version": "1.0", "X-Amz-Firehose-Source-Arn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/s",
			"X-Amz-Firehose-Access-Key": "key", "X-Amz-Firehose-Common-Attributes": `{"commonAttributes":{"env":"prod"}}`, "Content-Type": "application/json",
			"Content-Encoding": map[string]string{"GZIP": "gzip"}[packed]} {
			if got.Get(k) != v {
				t.Errorf("%s is %q", k, got.Get(k))
			}
		}
	}
}

// What an endpoint does not take as it should is tried again under the same id until the
// time is over; then it is put where failures go.
func TestHTTPEndpointFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(id string) (int, string, string)
		code   string
		once   bool
	}{
		"status": {func(id string) (int, string, string) { return 500, "application/json", `{"errorMessage": "down"}` }, "HttpEndpoint.HttpStatus500", false},
		"gone":   {func(string) (int, string, string) { return 0, "", "" }, "HttpEndpoint.EndpointConnectionFailed", false},
		"other id": {func(string) (int, string, string) {
			return 200, "application/json", `{"requestId": "x", "timestamp": 1}`
		}, "HttpEndpoint.InvalidResponseFromDestination", false},
		"no time": {func(id string) (int, string, string) { return 200, "application/json", `{"requestId": "` + id + `"}` }, "HttpEndpoint.InvalidResponseFromDestination", false},
		"plain": {func(id string) (int, string, string) {
			return 200, "text/plain", `{"requestId": "` + id + `", "timestamp": 1}`
		}, "HttpEndpoint.InvalidResponseFromDestination", false},
		"too large": {func(string) (int, string, string) { return 413, "application/json", `{}` }, "HttpEndpoint.RequestTooLarge", true},
	} {
		t.Run(name, func(t *testing.T) {
			var ids []string
			w := answering(t, func(r *http.Request, _ []byte) (int, string, string) {
				ids = append(ids, r.Header.Get("X-Amz-Firehose-Request-Id"))
				return c.answer(ids[len(ids)-1])
			})
			w.http(t, nil)
			w.send(t, "s", "a", "b")
			w.pass(t, time.Minute)
			if !c.once {
				until(t, func() bool { return w.tries(t) == 1 })
				w.pass(t, 50*time.Second)
				until(t, func() bool { return w.tries(t) == 2 })
				w.none(t)
				w.pass(t, 50*time.Second)
			}
			p := w.next(t)
			matches(t, p.key, `p/http-endpoint-failed/2026/01/02/03/s-1-.*`)
			list := failures(t, p.body)
			if len(list) != 2 || list[0]["errorCode"] != c.code || list[1]["data"] != "b" || list[0]["attemptsMade"] != map[bool]float64{true: 1, false: 3}[c.once] {
				t.Errorf("%v", list)
			}
			w.empty(t)
			for _, id := range ids {
				if id != ids[0] {
					t.Errorf("%q", ids)
				}
			}
		})
	}
}

// An endpoint that hangs is left after 3 minutes.
func TestHTTPEndpointHangs(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.HTTP = hanging{} })
	w.http(t, func(c *api.HttpEndpointDestinationConfiguration) {
		c.RetryOptions.DurationInSeconds = new(int32(0))
	})
	w.send(t, "s", "a")
	w.pass(t, time.Minute)
	w.rest(t)
	w.house.Clock.Advance(time.Second)
	w.none(t)
	for len(w.written) == 0 {
		w.house.Clock.Advance(time.Minute)
		time.Sleep(time.Millisecond)
	}
	if list := failures(t, w.next(t).body); list[0]["errorCode"] != "HttpEndpoint.ConnectionTimeout" {
		t.Errorf("%v", list)
	}
}

type hanging struct{}

// RoundTrip implements http.RoundTripper.
func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestSearch(t *testing.T) {
	var bodies []string
	var round atomic.Int32
	w := answering(t, func(r *http.Request, body []byte) (int, string, string) {
		if r.URL.String() != "https://c.example.com/_bulk" || r.Header.Get("Content-Type") != "application/x-ndjson" {
			return 400, "", "no"
		}
		bodies = append(bodies, string(body))
		switch round.Add(1) {
		case 1:
			return 429, "", "busy"
		case 2:
			return 200, "application/json", `{"errors": true, "items": [{"index": {"status": 201}}, {"index": {"status": 400, "error": {"type": "mapper_parsing_exception"}}}, {"index": {"status": 503}}]}`
		}
		return 200, "application/json", `{"errors": true, "items": [{"index": {"status": 400}}, {"index": {"status": 200}}]}`
	})
	call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: new("s"), ElasticsearchDestinationConfiguration: &api.ElasticsearchDestinationConfiguration{
		RoleARN: new(role), ClusterEndpoint: new("https://c.example.com/"), IndexName: new("logs"), TypeName: new("line"), IndexRotationPeriod: new("OneMonth"), S3Configuration: bucketOf(),
		BufferingHints: &api.ElasticsearchBufferingHints{IntervalInSeconds: new(int32(60))}}})
	ids := w.send(t, "s", `{"n": 1}`, "{\"n\":\n 2}", `{"n": 3}`, `nonsense`).RequestResponses
	w.pass(t, time.Minute)
	until(t, func() bool { return w.tries(t) == 1 })
	w.pass(t, 2*time.Second)
	until(t, func() bool { return w.tries(t) == 2 })
	w.pass(t, 5*time.Second)
	p := w.next(t)
	w.empty(t)
	line := func(i int, doc string) string {
		return fmt.Sprintf(`{"index":{"_id":%q,"_index":"logs-2026-01","_type":"line"}}`+"\n%s\n", *ids[i].RecordId, doc)
	}
	if want := line(0, `{"n":1}`) + line(1, `{"n":2}`) + line(2, `{"n":3}`); bodies[0] != want || bodies[1] != want {
		t.Errorf("%s\n%s\n%s", bodies[0], bodies[1], want)
	}
	if want := line(1, `{"n":2}`) + line(2, `{"n":3}`); bodies[2] != want {
		t.Errorf("%s", bodies[2])
	}
	list := failures(t, p.body)
	matches(t, p.key, `p/elasticsearch-failed/2026/01/02/03/s-1-.*`)
	if len(list) != 2 || list[0]["errorCode"] != "Elasticsearch.JsonParsingException" || list[0]["data"] != "nonsense" || list[1]["errorCode"] != "Elasticsearch.DocumentRefused400" ||
		list[1]["esIndexName"] != "logs-2026-01" || list[1]["esDocumentId"] != *ids[1].RecordId {
		t.Errorf("%v", list)
	}
}

func TestRotation(t *testing.T) {
	at := time.Date(2027, 1, 1, 5, 0, 0, 0, time.UTC)
	for period, want := range map[string]string{"NoRotation": "", "OneHour": "-2027-01-01-05", "OneDay": "-2027-01-01", "OneWeek": "-2026-w53", "OneMonth": "-2027-01"} {
		if got := rotated(period, at); got != want {
			t.Errorf("%s: %s", period, got)
		}
	}
}

func TestSplunk(t *testing.T) {
	for kind, want := range map[string]string{"Raw": "https://s.example.com:8088/services/collector/raw", "Event": "https://s.example.com:8088/services/collector/event"} {
		var asked atomic.Int32
		w := answering(t, func(r *http.Request, body []byte) (int, string, string) {
			channel := r.Header.Get("X-Splunk-Request-Channel")
			url, query, _ := strings.Cut(r.URL.String(), "?")
			if r.Header.Get("Authorization") != "Splunk token" || query != "channel="+channel {
				return 401, "", "no"
			}
			if url == want {
				return 200, "application/json", fmt.Sprintf(`{"text": "Success", "code": 0, "ackId": %d}`, len(body))
			}
			if string(body) != `{"acks":[2]}` || !strings.HasSuffix(url, ":8088/services/collector/ack") {
				return 400, "", "no"
			}
			return 200, "application/json", fmt.Sprintf(`{"acks": {"2": %v}}`, asked.Add(1) > 2)
		})
		call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: new("s"), SplunkDestinationConfiguration: &api.SplunkDestinationConfiguration{
			HECEndpoint: new("https://s.example.com:8088"), HECEndpointType: &kind, HECToken: new("token"), S3Configuration: bucketOf()}})
		w.send(t, "s", "a", "b")
		w.pass(t, time.Minute)
		for asked.Load() < 3 {
			w.house.Clock.Advance(time.Second)
			time.Sleep(time.Millisecond)
		}
		w.empty(t)
		if w.meter.sum("DeliveryToSplunk.Records") != 2 || len(w.written) != 0 {
			t.Errorf("%v", w.meter.of)
		}
	}
}

func TestSplunkFails(t *testing.T) {
	for code, answer := range map[string]func(r *http.Request) (int, string, string){
		"Splunk.InvalidToken": func(*http.Request) (int, string, string) { return 403, "", "" },
		"Splunk.AckDisabled":  func(*http.Request) (int, string, string) { return 200, "application/json", `{"code": 0}` },
		"Splunk.AckTimeout": func(r *http.Request) (int, string, string) {
			if strings.Contains(r.URL.Path, "ack") {
				return 200, "application/json", `{"acks": {"1": false}}`
			}
			return 200, "application/json", `{"ackId": 1}`
		},
	} {
		w := answering(t, func(r *http.Request, _ []byte) (int, string, string) { return answer(r) })
		call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: new("s"), SplunkDestinationConfiguration: &api.SplunkDestinationConfiguration{
			HECEndpoint: new("https://s.example.com:8088"), HECEndpointType: new("Raw"), HECToken: new("token"), S3Configuration: bucketOf(), RetryOptions: &api.SplunkRetryOptions{DurationInSeconds: new(int32(0))}}})
		w.send(t, "s", "a")
		w.pass(t, time.Minute)
		for len(w.written) == 0 {
			w.house.Clock.Advance(time.Second)
			time.Sleep(time.Millisecond)
		}
		p := w.next(t)
		if list := failures(t, p.body); list[0]["errorCode"] != code || !strings.HasPrefix(p.key, "p/splunk-failed/") {
			t.Errorf("%s: %v", p.key, list)
		}
		w.empty(t)
	}
}

// redshift is a server of PostgreSQL's protocol that keeps the statements it gets, and
// refuses some.
func redshift(t *testing.T, refuse func() bool) (dial func(ctx context.Context, network, address string) (net.Conn, error), statements chan string) {
	statements = make(chan string, 10)
	dial = func(_ context.Context, _, address string) (net.Conn, error) {
		if address != "h.example.com:5439" {
			t.Errorf("%s was dialled", address)
		}
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			b := pgproto3.NewBackend(server, server)
			if m, err := b.ReceiveStartupMessage(); err != nil {
				return
			} else if _, ssl := m.(*pgproto3.SSLRequest); ssl {
				_, _ = server.Write([]byte("N"))
				if _, err = b.ReceiveStartupMessage(); err != nil {
					return
				}
			}
			b.Send(&pgproto3.AuthenticationOk{})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			for b.Flush() == nil {
				m, err := b.Receive()
				q, ok := m.(*pgproto3.Query)
				if err != nil || !ok {
					return
				}
				statements <- q.String
				if refuse() {
					b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42P01", Message: "relation does not exist"})
				} else {
					b.Send(&pgproto3.CommandComplete{CommandTag: []byte("COPY")})
				}
				b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			}
		}()
		return client, nil
	}
	return dial, statements
}

func TestRedshift(t *testing.T) {
	for _, refused := range []bool{false, true} {
		dial, statements := redshift(t, func() bool { return refused })
		w := newWorld(t, func(o *Options) { o.Dial = dial })
		call(t, w, api.CreateDeliveryStream, &api.CreateDeliveryStreamInput{DeliveryStreamName: new("s"), RedshiftDestinationConfiguration: &api.RedshiftDestinationConfiguration{
			RoleARN: new(role), ClusterJDBCURL: new("jdbc:redshift://h.example.com:5439/db"), Username: new("user"), Password: new("secret"), S3Configuration: bucketOf(),
			RetryOptions: &api.RedshiftRetryOptions{DurationInSeconds: new(int32(0))},
			CopyCommand:  &api.CopyCommand{DataTableName: new("events"), DataTableColumns: new("a,b"), CopyOptions: new("json 'auto'")}}})
		w.send(t, "s", "a", "b")
		w.pass(t, 300*time.Second)
		data, manifest := w.next(t), w.next(t)
		if string(data.body) != "ab" || string(manifest.body) != `{"entries":[{"url":"s3://b/`+data.key+`","mandatory":true}]}` {
			t.Errorf("%q %s", data.body, manifest.body)
		}
		if got, want := <-statements, "COPY events (a,b) FROM 's3://b/"+manifest.key+"' CREDENTIALS 'aws_iam_role="+role+"' MANIFEST json 'auto';"; got != want {
			t.Errorf("%s\n%s", got, want)
		}
		if refused {
			if p := w.next(t); !strings.HasPrefix(p.key, "p/errors/manifests/2026/01/02/03/s-1-") || !bytes.Equal(p.body, manifest.body) {
				t.Errorf("%s", p.key)
			}
		}
		w.empty(t)
	}
}

// The secrets of a destination are sealed in the store, and known to deliveries.
func TestSecrets(t *testing.T) {
	keys := make(chan string, 1)
	w := newWorld(t, func(o *Options) {
		o.Secrets = reversing{}
		o.HTTP = roundTrip(func(r *http.Request, _ []byte) (int, string, string) {
			keys <- r.Header.Get("X-Amz-Firehose-Access-Key")
			return 200, "application/json", fmt.Sprintf(`{"requestId": %q, "timestamp": 1}`, r.Header.Get("X-Amz-Firehose-Request-Id"))
		})
	})
	w.http(t, func(c *api.HttpEndpointDestinationConfiguration) {
		c.EndpointConfiguration.AccessKey = new("open sesame")
	})
	call(t, w, api.UpdateDestination, &api.UpdateDestinationInput{DeliveryStreamName: new("s"), CurrentDeliveryStreamVersionId: new("1"), DestinationId: new(destinationID),
		HttpEndpointDestinationUpdate: &api.HttpEndpointDestinationUpdate{RetryOptions: &api.HttpEndpointRetryOptions{DurationInSeconds: new(int32(5))}}})
	st, err := w.look(t.Context(), ref{scope: scopeOf("000000000000", "us-east-1"), name: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(st); err != nil || bytes.Contains(b, []byte("sesame")) || len(st.Destination.Sealed) == 0 {
		t.Errorf("%s, %v", b, err)
	}
	w.send(t, "s", "a")
	w.pass(t, time.Minute)
	if key := <-keys; key != "open sesame" {
		t.Errorf("%q", key)
	}
	w.empty(t)
}

// reversing is no seal at all.
type reversing struct{}

// Seal implements Sealer.
func (reversing) Seal(text []byte, _ string) ([]byte, error) { return reverse(text), nil }

// Open implements Sealer.
func (reversing) Open(sealed []byte, _ string) ([]byte, error) { return reverse(sealed), nil }

func reverse(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[len(b)-1-i] = b[i]
	}
	return out
}
