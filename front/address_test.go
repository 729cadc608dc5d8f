package front

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
)

// messages adds services whose addresses say what is meant: queues by their URL, objects
// by their host. Everybody may read the bucket "open" and send to queues.
func messages(f *Front) {
	everybody := func(context.Context) (string, error) {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`, nil
	}
	send := func(_ context.Context, in *sqs.SendMessageRequest) (*sqs.SendMessageResult, error) {
		return &sqs.SendMessageResult{MessageId: in.QueueUrl}, nil
	}
	get := func(ctx context.Context, in *s3.GetObjectRequest) (*s3.GetObjectOutput, error) {
		text := *in.Bucket + " " + *in.Key + " " + string(aws.RequestOf(ctx).Caller.Kind)
		n := int64(len(text))
		return &s3.GetObjectOutput{ContentLength: &n, Body: io.NopCloser(strings.NewReader(text))}, nil
	}
	head := func(context.Context, *s3.HeadObjectRequest) (*s3.HeadObjectOutput, error) {
		n := int64(1 << 40)
		return &s3.HeadObjectOutput{ContentLength: &n}, nil
	}
	open := func(bucket string) []aws.Access {
		a := aws.Access{Resource: "arn:aws:s3:::" + bucket, Account: "000000000000"}
		if bucket == "open" {
			a.Policy = everybody
		}
		return []aws.Access{a}
	}
	f.Add(Service{Model: sqs.Service, Operations: sqs.Operations(), Routes: []aws.Route{
		sqs.SendMessage.To(send, func(context.Context, *sqs.SendMessageRequest) ([]aws.Access, error) {
			return []aws.Access{{Resource: "arn:aws:sqs:us-east-1:000000000000:q", Policy: everybody}}, nil
		})}})
	f.Add(Service{Model: s3.Service, Operations: s3.Operations(), Routes: []aws.Route{
		s3.GetObject.To(get, func(_ context.Context, in *s3.GetObjectRequest) ([]aws.Access, error) { return open(*in.Bucket), nil }),
		s3.HeadObject.To(head, func(_ context.Context, in *s3.HeadObjectRequest) ([]aws.Access, error) { return open(*in.Bucket), nil }),
	}, Within: func(host string) (string, bool) {
		if host == "s3.amazonaws.com" {
			return "", true
		}
		bucket, ok := strings.CutSuffix(host, ".s3.amazonaws.com")
		return "/" + bucket, ok
	}, CORS: func(r *http.Request) (http.Header, error) {
		switch r.Header.Get("Origin") {
		case "https://friend.example":
			return http.Header{"Access-Control-Allow-Origin": {"https://friend.example"}}, nil
		case "https://foe.example":
			return nil, aws.Errorf(http.StatusForbidden, "AccessForbidden", "CORSResponse: This CORS request is not allowed.")
		}
		return nil, nil
	}})
}

func TestAddresses(t *testing.T) {
	f, _ := door(t, nil)
	messages(f)
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ name, method, target, kind, body, want string }{
		{"a queue's URL", "POST", "http://localhost:4566/000000000000/q", form, "Action=SendMessage&MessageBody=x", "<MessageId>http://localhost:4566/000000000000/q</MessageId>"},
		{"a URL in the form goes first", "POST", "http://localhost:4566/000000000000/q", form, "Action=SendMessage&MessageBody=x&QueueUrl=other", "<MessageId>other</MessageId>"},
		{"all in the URL", "GET", "http://localhost/000000000000/q?Action=SendMessage&MessageBody=x", "", "", "<MessageId>http://localhost/000000000000/q</MessageId>"},
		{"a host with its region first", "POST", "http://us-west-2.queue.amazonaws.com/1/q", form, "Action=SendMessage&MessageBody=x", "<MessageId>http://us-west-2.queue.amazonaws.com/1/q</MessageId>"},
		{"an operation that is none", "POST", "http://sqs.us-east-1.amazonaws.com/1/q", form, "Action=Sing", "<Code>MissingAuthenticationToken</Code>"},
		{"a bucket's host", "GET", "http://open.s3.amazonaws.com/a//b", "", "", "open a//b Anonymous"},
		{"a bucket that has a service's name", "GET", "http://lambda.s3.amazonaws.com/a", "", "", "<Code>AccessDenied</Code>"},
		{"a bucket in the path", "GET", "http://127.0.0.1:4566/open/a", "", "", "open a Anonymous"},
		{"S3's own host", "GET", "http://s3.amazonaws.com/open/a", "", "", "open a Anonymous"},
		{"a bucket that is not open", "GET", "http://shut.s3.amazonaws.com/a", "", "", "<Code>AccessDenied</Code>"},
	} {
		r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s", c.name, w.Code, w.Body, c.want)
		}
	}
}

// TestLengths: what says its length keeps it, in a HEAD's answer too.
func TestLengths(t *testing.T) {
	f, _ := door(t, nil)
	messages(f)
	server := httptest.NewServer(f)
	defer server.Close()
	for method, want := range map[string]int64{"GET": int64(len("open key Anonymous")), "HEAD": 1 << 40} {
		r, _ := http.NewRequest(method, server.URL+"/open/key", nil)
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.ContentLength != want || res.Header.Get("X-Amz-Request-Id") == "" {
			t.Errorf("%s: length %d, want %d; %v", method, res.ContentLength, want, res.Header)
		}
	}
}

// TestContinue: whoever waits to be told to go on is told, with nothing to send, too.
func TestContinue(t *testing.T) {
	f, _ := door(t, nil)
	messages(f)
	server := httptest.NewServer(f)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET /open/key HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n") {
		t.Errorf("%q %v", all, err)
	}
}

// TestSharing: a service's own rules for web pages go before the door's.
func TestSharing(t *testing.T) {
	f, _ := door(t, nil)
	messages(f)
	for _, c := range []struct {
		origin, method string
		status         int
		allow          string
	}{
		{"https://friend.example", "OPTIONS", 200, "https://friend.example"},
		{"https://friend.example", "GET", 200, "https://friend.example"},
		{"https://foe.example", "OPTIONS", 403, ""},
		{"https://foe.example", "GET", 200, ""},
		{"http://localhost:3000", "OPTIONS", 204, "http://localhost:3000"},
		{"https://stranger.example", "OPTIONS", 403, ""},
	} {
		r := httptest.NewRequest(c.method, "http://open.s3.amazonaws.com/a", nil)
		r.Header.Set("Origin", c.origin)
		r.Header.Set("Access-Control-Request-Method", "GET")
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != c.status || w.Header().Get("Access-Control-Allow-Origin") != c.allow {
			t.Errorf("%s %s: %d %v", c.method, c.origin, w.Code, w.Header())
		}
	}
	// A bucket's rules let a page read an answer; they do not make it root.
	w := ask{method: "GET", target: "/a", key: "test", service: "s3", region: "us-east-1", header: map[string]string{"Host": "shut.s3.amazonaws.com", "Origin": "https://friend.example"}}.send(f)
	if w.Code != http.StatusForbidden {
		t.Errorf("a page of elsewhere, by a key that was not issued: %d %s", w.Code, w.Body)
	}
}

func TestVouch(t *testing.T) {
	f, _ := door(t, nil)
	policy := base64.StdEncoding.EncodeToString([]byte(`{"expiration": "2026-01-02T04:00:00Z"}`))
	form := func(key, signature string) url.Values {
		return url.Values{"policy": {policy}, "awsaccesskeyid": {key}, "signature": {signature}}
	}
	for _, c := range []struct {
		name   string
		form   url.Values
		origin string
		kind   aws.PrincipalKind
		code   string
	}{
		{"nobody", url.Values{"policy": {policy}}, "", aws.Anonymous, ""},
		{"a key of ours, another signature", form("AKIANOBODY0000000000", "AAAA"), "", aws.Anonymous, "SignatureDoesNotMatch"},
		{"a key of ours that is over", form("AKIAEXPIRED000000000", "AAAA"), "", aws.Anonymous, "ExpiredTokenException"},
		{"an unknown key", form("test", "AAAA"), "", aws.Root, ""},
		{"an unknown key, in a page of elsewhere", form("test", "AAAA"), "https://stranger.example", aws.Anonymous, "AccessDeniedException"},
		{"a key of AWS's", form("AKIA1234567890123456", "AAAA"), "", aws.Anonymous, "InvalidAccessKeyId"},
		{"another algorithm", url.Values{"x-amz-signature": {"1"}, "x-amz-algorithm": {"rot13"}}, "", aws.Anonymous, "InvalidRequest"},
	} {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Host: "localhost:4566", Origin: c.origin})
		caller, err := f.Vouch(ctx, c.form)
		var e *aws.Error
		if caller.Kind != c.kind || aws.CodeOf(err) != c.code || err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v %v", c.name, caller.Kind, err)
		}
	}
}
