package sqs

import (
	"encoding/hex"
	"testing"
	"unicode/utf8"
)

func FuzzHandle(f *testing.F) {
	f.Add((&handle{queue: 7, ref: newRef(1, [16]byte{2}), at: 3, count: 4}).String())
	f.Add((&handle{queue: 1 << 63, at: -1, count: 1 << 63, seq: 9, group: "g"}).String())
	f.Add("AQEB")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := decodeHandle(text)
		if ok && h.String() != text {
			t.Errorf("%q is %+v, which is %q", text, h, h.String())
		}
	})
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://sqs.eu-west-1.amazonaws.com/000000000000/q", "http://eu-west-1.queue.localhost.localstack.cloud:4566/000000000000/q.fifo",
		"http://localhost:4566/queue/eu-west-1/000000000000/q", "https://queue.amazonaws.com/000000000000/q/", "localhost/000000000000/q", "://", "http:///"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := parseURL(text, "us-east-1")
		if !ok {
			return
		}
		if again, ok := placeOfARN(p.arn()); !ok || again != p {
			t.Errorf("%q leads to %+v, whose ARN is %+v", text, p, again)
		}
	})
}

func TestURLs(t *testing.T) {
	for text, want := range map[string]place{
		"https://sqs.eu-west-1.amazonaws.com/000000000001/q":                    {"eu-west-1", "000000000001", "q"},
		"https://eu-west-1.queue.amazonaws.com/000000000001/q":                  {"eu-west-1", "000000000001", "q"},
		"https://queue.amazonaws.com/000000000001/q.fifo":                       {"us-east-1", "000000000001", "q.fifo"},
		"http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000001/q/":  {"eu-west-1", "000000000001", "q"},
		"http://eu-west-1.queue.localhost.localstack.cloud:4566/000000000001/q": {"eu-west-1", "000000000001", "q"},
		"http://localhost:4566/queue/eu-west-1/000000000001/q":                  {"eu-west-1", "000000000001", "q"},
		"http://localhost:4566/000000000001/q":                                  {"eu-north-1", "000000000001", "q"},
		"http://localhost:4566/000000000001/queue":                              {"eu-north-1", "000000000001", "queue"},
		"http://localhost:4566/1/q":                                             {},
		"http://localhost:4566/000000000001/q/r":                                {},
		"http://localhost:4566/000000000001/q?x=y":                              {},
		"http://localhost:4566/":                                                {},
		"":                                                                      {},
	} {
		if got, ok := parseURL(text, "eu-north-1"); ok != (want != place{}) || ok && got != want {
			t.Errorf("%s leads to %+v, %v", text, got, ok)
		}
	}
}

func FuzzContents(f *testing.F) {
	f.Add("text\t\r\n")
	f.Add("\x00")
	f.Add("\ufffe")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, s string) {
		want := utf8.ValidString(s)
		for _, r := range s {
			want = want && (r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000)
		}
		if valid(s) != want {
			t.Errorf("%q: %v", s, valid(s))
		}
	})
}

func FuzzRecords(f *testing.F) {
	m := message{sent: 1, body: "b", attrs: []attribute{{"n", "String", false, "v"}}}
	b, _ := m.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if m.UnmarshalBinary(b) == nil {
			_, _ = m.MarshalBinary()
		}
		_ = new(state).UnmarshalBinary(b)
		_ = new(member).UnmarshalBinary(b)
		_ = new(group).UnmarshalBinary(b)
		_ = new(sentBefore).UnmarshalBinary(b)
		_ = new(attempt).UnmarshalBinary(b)
		_ = new(movedTo).UnmarshalBinary(b)
	})
}

// TestDigest: sums that AWS's own SDKs check.
func TestDigest(t *testing.T) {
	sum := digest([]attribute{{"timestamp", "Number", false, "1493147359900"}})
	if got := hex.EncodeToString(sum[:]); got != "235c5c510d26fb653d073faed50ae77c" {
		t.Errorf("the sum is %s", got)
	}
}
