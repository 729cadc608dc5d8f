package firehose

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// A RoundTripper reaches HTTP endpoints.
type RoundTripper = http.RoundTripper

const (
	// answerTime is how long an endpoint has for its answer.
	answerTime = 3 * time.Minute
	// maxAnswer is how long an answer may be.
	maxAnswer = 1 << 20
	// maxSearchAnswer is how long that to a bulk of documents may be.
	maxSearchAnswer = 64 << 20
)

var errNoHTTP = errors.New("HTTP endpoints are not reached by this Tule")

// An answer is what an endpoint said.
type answer struct {
	status int
	kind   string // its media type
	body   []byte
}

// post sends a request to an endpoint and reads its answer.
func (d *delivery) post(ctx context.Context, url string, header map[string]string, body []byte, most int64) (*answer, error) {
	if d.s.HTTP == nil {
		return nil, errNoHTTP
	}
	ctx, cancel := d.s.limited(ctx, answerTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "Amazon Kinesis Data Firehose Agent/1.0")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	if u := r.URL.User; u != nil {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	got, err := d.s.HTTP.RoundTrip(r)
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errLate) {
			err = errLate
		}
		return nil, err
	}
	defer got.Body.Close()
	out := &answer{status: got.StatusCode}
	out.kind, _, _ = mime.ParseMediaType(got.Header.Get("Content-Type"))
	if out.body, err = io.ReadAll(io.LimitReader(got.Body, most+1)); err != nil {
		return nil, err
	}
	if int64(len(out.body)) > most {
		return nil, errors.New("the endpoint's answer is too long")
	}
	return out, nil
}

// zipped is a body in the encoding that a destination wants, which header is told.
func zipped(body []byte, header map[string]string) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	header["Content-Encoding"] = "gzip"
	return finish(&b, w)
}

// pushHTTP gives records to an HTTP endpoint in one request, whose id is always the same.
// https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html
func (d *delivery) pushHTTP(ctx context.Context, list []record) *refusal {
	c := d.plan.to.HTTP
	no := &refusal{left: list, trouble: trouble{destination: *c.EndpointConfiguration.Url, code: "HttpEndpoint.DestinationException"}}
	refuse := func(code, message string) *refusal {
		no.trouble.code, no.trouble.message = "HttpEndpoint."+code, message
		return no
	}
	id := d.name("request")
	body, header, err := d.request(c, id, list)
	if err != nil {
		return refuse("InternalError", err.Error())
	}
	got, err := d.post(ctx, *c.EndpointConfiguration.Url, header, body, maxAnswer)
	switch {
	case errors.Is(err, errLate):
		return refuse("ConnectionTimeout", "The endpoint did not answer within 3 minutes.")
	case err != nil:
		return refuse("EndpointConnectionFailed", err.Error())
	}
	var said struct {
		ID      string      `json:"requestId"`
		Time    json.Number `json:"timestamp"`
		Message string      `json:"errorMessage"`
	}
	form := json.Unmarshal(got.body, &said)
	switch {
	case got.status == http.StatusRequestEntityTooLarge:
		no.permanent = true
		return refuse("RequestTooLarge", "The endpoint says that the request is too large: "+said.Message)
	case got.status != http.StatusOK:
		message := "Received the status " + strconv.Itoa(got.status) + " from the endpoint."
		if form == nil && said.Message != "" {
			message += " " + said.Message
		}
		return refuse("HttpStatus"+strconv.Itoa(got.status), message)
	case form != nil || got.kind != "application/json":
		return refuse("InvalidResponseFromDestination", "The response received from the specified endpoint is invalid.")
	case said.ID != id:
		return refuse("InvalidResponseFromDestination", "The endpoint's answer does not repeat the id of the request.")
	case said.Time == "":
		return refuse("InvalidResponseFromDestination", "The endpoint's answer has no timestamp.")
	}
	return nil
}

// request is the body of a request to an HTTP endpoint, and its headers.
func (d *delivery) request(c *api.HttpEndpointDestinationConfiguration, id string, list []record) ([]byte, map[string]string, error) {
	type item struct {
		Data []byte `json:"data"`
	}
	content := struct {
		ID      string `json:"requestId"`
		Time    int64  `json:"timestamp"`
		Records []item `json:"records"`
	}{id, d.s.Clock.Now().UnixMilli(), make([]item, len(list))}
	for i := range list {
		content.Records[i].Data = list[i].data
		if list[i].data == nil {
			content.Records[i].Data = []byte{}
		}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return nil, nil, err
	}
	header := map[string]string{"Content-Type": "application/json", "X-Amz-Firehose-Protocol-Version": "1.0", "X-Amz-Firehose-Request-Id": id, "X-Amz-Firehose-Source-Arn": d.at.arn()}
	if key := aws.Value(c.EndpointConfiguration.AccessKey); key != "" {
		header["X-Amz-Firehose-Access-Key"] = key
	}
	if list := c.RequestConfiguration.CommonAttributes; len(list) > 0 {
		attributes := map[string]string{}
		for _, a := range list {
			attributes[*a.AttributeName] = *a.AttributeValue
		}
		text, err := json.Marshal(map[string]any{"commonAttributes": attributes})
		if err != nil {
			return nil, nil, err
		}
		header["X-Amz-Firehose-Common-Attributes"] = string(text)
	}
	if aws.Value(c.RequestConfiguration.ContentEncoding) == api.ContentEncodingGzip {
		body, err = zipped(body, header)
	}
	return body, header, err
}
