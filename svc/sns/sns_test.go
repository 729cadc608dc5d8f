package sns

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"

	sqsapi "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// testKey is a key that is always the same, so that scripts print the same signatures.
func testKey() (*rsa.PrivateKey, []byte, error) {
	block, _ := pem.Decode([]byte(testKeyPEM))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return key, []byte("-----BEGIN CERTIFICATE-----\n"), err
}

func newTest(h *script.House, peers aws.Peers) *Service {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: peers, Signing: testKey})
}

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(_ *testing.T, h *script.House) []aws.Route {
		return newTest(h, h).Routes()
	})
}

// queues are a double of SQS that keeps what it is sent.
type queues struct {
	sent chan *sqsapi.SendMessageRequest
	err  func(in *sqsapi.SendMessageRequest) error
}

func newQueues() *queues { return &queues{sent: make(chan *sqsapi.SendMessageRequest, 1000)} }

func (q *queues) routes() []aws.Route {
	return []aws.Route{sqsapi.SendMessage.To(func(_ context.Context, in *sqsapi.SendMessageRequest) (*sqsapi.SendMessageResult, error) {
		if q.err != nil {
			if err := q.err(in); err != nil {
				return nil, err
			}
		}
		q.sent <- in
		return &sqsapi.SendMessageResult{}, nil
	}, aws.Nothing)}
}

func TestRecords(t *testing.T) {
	m := message{ID: "i", Type: notification, Subject: "s", Body: "b\x00", PerKind: map[string]string{"sqs": "q"}, Group: "g", Sequence: "1",
		Attributes: []attribute{{"a", "String", "v"}, {"b", "Binary", "\xff"}}}
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var back message
	if err := back.UnmarshalBinary(b); err != nil || back.Body != m.Body || back.PerKind["sqs"] != "q" || len(back.Attributes) != 2 || back.Attributes[1].Value != "\xff" {
		t.Errorf("%+v, %v", back, err)
	}
	for i := range b {
		var short message
		if short.UnmarshalBinary(b[:i]) == nil {
			t.Errorf("%d bytes of %d are a message", i, len(b))
		}
		_ = new(fan).UnmarshalBinary(b[:i]) // it may not panic
	}
}

func FuzzRecords(f *testing.F) {
	b, _ := message{ID: "i", Body: "b", PerKind: map[string]string{"x": "y"}, Attributes: []attribute{{"a", "b", "c"}}}.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if m.UnmarshalBinary(b) == nil {
			if _, err := m.MarshalBinary(); err != nil {
				t.Error(err)
			}
		}
		_ = new(fan).UnmarshalBinary(b)
	})
}

func TestDelays(t *testing.T) {
	for name, c := range map[string]struct {
		policy healthyRetryPolicy
		want   []float64
	}{
		"default":     {httpRetries, []float64{20, 20, 20}},
		"phases":      {healthyRetryPolicy{MinDelayTarget: 1, MaxDelayTarget: 60, NumRetries: 5, NumNoDelayRetries: 1, NumMinDelayRetries: 1, NumMaxDelayRetries: 2, BackoffFunction: "linear"}, []float64{0, 1, 60, 60, 60}},
		"linear":      {healthyRetryPolicy{MinDelayTarget: 10, MaxDelayTarget: 50, NumRetries: 4, BackoffFunction: "linear"}, []float64{20, 30, 40, 50}},
		"arithmetic":  {healthyRetryPolicy{MinDelayTarget: 10, MaxDelayTarget: 50, NumRetries: 4, BackoffFunction: "arithmetic"}, []float64{14, 22, 34, 50}},
		"geometric":   {healthyRetryPolicy{MinDelayTarget: 2, MaxDelayTarget: 32, NumRetries: 4, BackoffFunction: "geometric"}, []float64{4, 8, 16, 32}},
		"exponential": {healthyRetryPolicy{MinDelayTarget: 5, MaxDelayTarget: 20, NumRetries: 4, BackoffFunction: "exponential"}, []float64{6, 8, 12, 20}},
	} {
		if err := c.policy.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i, want := range c.want {
			if d, ok := c.policy.delay(i + 1); !ok || d.Seconds() != want {
				t.Errorf("%s: retry %d after %v, %v; want %vs", name, i+1, d, ok, want)
			}
		}
		if _, ok := c.policy.delay(len(c.want) + 1); ok {
			t.Errorf("%s: one retry too many", name)
		}
	}
	total := 0
	for n := 1; ; n++ {
		if _, ok := managedRetries.delay(n); !ok {
			break
		}
		total++
	}
	if total != 100015 {
		t.Errorf("%d retries for queues", total)
	}
}

func TestCertificate(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	key, text, err := NewSigningKey(h.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cert.VerifyHostname("sns.amazonaws.com") != nil || cert.PublicKey.(*rsa.PublicKey).N.Cmp(key.N) != 0 || cert.SerialNumber.Cmp(big.NewInt(0)) <= 0 {
		t.Errorf("%v: %+v", err, cert)
	}
}
