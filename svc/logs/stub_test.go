package logs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/store"
)

// large puts a batch whose chunk gets a stub: a line among others as long.
func (g *ground) large(stream, line string, at int64) {
	g.t.Helper()
	events := []api.InputLogEvent{{Timestamp: &at, Message: &line}}
	for i := range 100 {
		events = append(events, api.InputLogEvent{Timestamp: &at, Message: ptr(fmt.Sprintf(`{"level": "INFO", "took": %d, "text": "one of many lines that nobody looks for"}`, i))})
	}
	must(g.t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &stream, LogEvents: events}))
}

// count is how many records a table has, of all scopes.
func count[R any](g *ground, table store.Table[R]) (n int) {
	g.t.Helper()
	must(g.t)(nil, g.h.Store.View(g.ctx, func(r store.Reader) error {
		for _, err := range table.All(g.ctx, r) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}

// TestSievesLetThroughWhatIsWanted finds a line however it is spelt.
func TestSievesLetThroughWhatIsWanted(t *testing.T) {
	for _, c := range []struct{ line, pattern string }{
		{"a plain ERROR in a line", "ERROR"},
		{"a plain ERROR in a line", `"n ERR" -WARN`},
		{"a plain ERROR in a line", "?FATAL ?ERROR"},
		{"a plain ERROR in a line", "%ERR.R%"},
		{"a plain ERROR in a line", "%E(?:R)%"}, // not AWS's syntax: refused
		{"10.0.0.1 ERROR 404 x", "[ip, level=ERR*, status=404, ...]"},
		{`{"level": "ERROR", "n": 5}`, `{ $.level = "ERROR" }`},
		{`{"level": "\u0045RROR", "n": 5}`, `{ $.level = "ERROR" }`},
		{`{"\u006cevel": "ERROR", "n": 5}`, `{ $.level = "ERR*" && $.n = 5.0 }`},
		{`{"path": "\/a\/bc", "n": 5}`, `{ $.path = "/a/bc" }`},
		{`{"text": "say \"hello\"\nto all", "n": 5}`, `{ $.text = "*\"hello\"*" }`},
		{`{"a": {"deep": [{"code": 7}]}}`, `{ $.a.deep[0].code > 6 || $.other = "x" }`},
		{`{"gone": null}`, `{ $.gone IS NULL }`},
		{`{"alone": 1}`, `{ $.level NOT EXISTS }`},
	} {
		g := newGround(t, "s")
		g.large("s", c.line, start)
		out, err := g.s.filterLogEvents(g.ctx, &api.FilterLogEventsRequest{LogGroupName: ptr("g"), FilterPattern: &c.pattern})
		if strings.Contains(c.pattern, "(") {
			if err == nil {
				t.Errorf("%s was taken", c.pattern)
			}
			continue
		}
		must(t)(out, err)
		if len(out.Events) != 1 || *out.Events[0].Message != c.line {
			t.Errorf("%s: found %d events, want %s", c.pattern, len(out.Events), c.line)
		}
	}
}

// TestContentsGoWithTheirChunks removes chunks in all three ways.
func TestContentsGoWithTheirChunks(t *testing.T) {
	g := newGround(t, "a", "b", "c")
	day := int64(24 * 60 * 60 * 1000)
	for i, name := range []string{"a", "b", "c"} {
		g.large(name, "x", start-int64(i)*day)
		g.large(name, "y", start-int64(i)*day)
		must(t)(g.s.putLogEvents(g.ctx, &api.PutLogEventsRequest{LogGroupName: ptr("g"), LogStreamName: &name,
			LogEvents: []api.InputLogEvent{{Timestamp: ptr(start - int64(i)*day), Message: ptr("small")}}}))
	}
	check := func(what string, small, large int) {
		t.Helper()
		if n, m, i := count(g, chunks), count(g, contents), count(g, index); n != small+large || m != large || i != n {
			t.Errorf("%s: %d chunks, %d contents and %d in the index, want %d, %d of them large", what, n, m, i, small+large, large)
		}
	}
	check("at first", 3, 6)
	must(t)(g.s.deleteLogStream(g.ctx, &api.DeleteLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: ptr("a")}))
	check("without a stream", 2, 4)
	must(t)(g.s.putRetentionPolicy(g.ctx, &api.PutRetentionPolicyRequest{LogGroupName: ptr("g"), RetentionInDays: ptr(int32(1))}))
	g.h.Clock.Advance(12 * time.Hour)
	must(t)(nil, g.s.Sweep(g.ctx))
	check("past its retention", 0, 0)
	if bytes := g.stored(); bytes != 0 {
		t.Errorf("%d bytes are left", bytes)
	}
	must(t)(g.s.createLogStream(g.ctx, &api.CreateLogStreamRequest{LogGroupName: ptr("g"), LogStreamName: ptr("d")}))
	g.large("d", "z", start+int64(time.Hour/time.Millisecond)*11)
	check("again", 0, 1)
	must(t)(g.s.deleteLogGroup(g.ctx, &api.DeleteLogGroupRequest{LogGroupName: ptr("g")}))
	check("without the group", 0, 0)
}

// stored is what the group says that it holds.
func (g *ground) stored() int64 {
	g.t.Helper()
	out, err := g.s.describeLogGroups(g.ctx, &api.DescribeLogGroupsRequest{})
	must(g.t)(out, err)
	return *out.LogGroups[0].StoredBytes
}

// FuzzStub reads stubs that are anything.
func FuzzStub(f *testing.F) {
	f.Add((&stub{last: 7, size: 900, escaped: true, sieve: []byte("abcd")}).encode(5))
	f.Add([]byte{isStub, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeStub(5, b)
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Fatal(err)
		}
		if s == nil {
			return
		}
		if again, err := decodeStub(5, s.encode(5)); err != nil || again.last != s.last || again.size != s.size || again.escaped != s.escaped || !bytes.Equal(again.sieve, s.sieve) {
			t.Fatalf("%+v becomes %+v: %v", s, again, err)
		}
		new(sifter).may(s)
	})
}
