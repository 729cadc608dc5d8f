package cloudtrail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// get is an allowed data event.
func get(h *script.House, c aws.Caller, resource string) *aws.Event {
	return &aws.Event{Request: request(h, "r", c), Op: &dynamodbapi.GetItem.Operation, Decisions: []aws.Decision{allowed("dynamodb:GetItem", resource)}}
}

func uses(t testing.TB, s *Service, arn string) string {
	t.Helper()
	all, err := s.LastUse(context.Background(), account, arn)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, u := range all {
		fmt.Fprintf(&b, "%s %s x%d at %s in %s wide=%v\n", u.Action, u.Resource, u.Count, u.Last.Format("15:04:05"), u.Region, u.Wide)
	}
	return b.String()
}

// What a user and a role's sessions do is counted; what they were denied is not, nor
// what services, strangers and root do.
func TestActivity(t *testing.T) {
	s, h := house(t)
	ctx := t.Context()
	s.Record(ctx, get(h, userAnn(), table))
	h.Clock.Advance(time.Second)
	s.Record(ctx, get(h, userAnn(), table))
	s.Record(ctx, get(h, webSession(), table))
	denied := get(h, webSession(), table+"2")
	denied.Decisions = []aws.Decision{refused("dynamodb:GetItem", table+"2")}
	s.Record(ctx, denied)
	passed := get(h, webSession(), table+"3")
	passed.Decisions = []aws.Decision{{Action: "dynamodb:GetItem", Resource: table + "3", Passed: true}}
	s.Record(ctx, passed)
	token := get(h, userAnn(), table+"4")
	token.Decisions[0].As = &aws.Caller{Kind: aws.WebIdentity}
	s.Record(ctx, token)
	list := &aws.Event{Request: request(h, "r", userAnn()), Op: &iamapi.ListUsers.Operation, Decisions: []aws.Decision{allowed("iam:ListUsers", "*"), allowed("iam:PassRole", web)}}
	list.Request.Region = "eu-west-1"
	s.Record(ctx, list)
	fed := aws.Caller{Kind: aws.Federated, Account: account, ARN: "arn:aws:sts::000000000000:federated-user/guest", Role: ann}
	s.Record(ctx, get(h, fed, table))
	for _, c := range []aws.Caller{{Kind: aws.Root, Account: account, ARN: "arn:aws:iam::000000000000:root"}, aws.ServiceCaller("x.amazonaws.com", account, ""),
		{Kind: aws.Anonymous}, {Kind: aws.Federated, Account: account, Role: "arn:aws:iam::000000000000:root"}} {
		s.Record(ctx, get(h, c, table))
	}
	if got, want := uses(t, s, ann), "dynamodb:GetItem "+table+" x3 at 03:04:06 in us-east-1 wide=false\n"+
		"iam:ListUsers * x1 at 03:04:06 in us-east-1 wide=false\niam:PassRole "+web+" x1 at 03:04:06 in us-east-1 wide=false\n"; got != want {
		t.Errorf("ann:\n%s", got)
	}
	if got, want := uses(t, s, web), "dynamodb:GetItem "+table+" x1 at 03:04:06 in us-east-1 wide=false\ndynamodb:GetItem "+table+"3 x1 at 03:04:06 in us-east-1 wide=false\n"; got != want {
		t.Errorf("web:\n%s", got)
	}

	// It adds up across flushes and restarts, leaves memory when nothing goes on, and
	// ends after 90 days.
	s.flushNow(ctx)
	if n := len(s.activity.principals); n != 0 {
		t.Errorf("%d principals in memory that do nothing", n)
	}
	s = New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	h.Clock.Advance(time.Hour)
	s.Record(ctx, get(h, webSession(), table))
	if got, want := uses(t, s, web), "dynamodb:GetItem "+table+" x2 at 04:04:06 in us-east-1 wide=false\ndynamodb:GetItem "+table+"3 x1 at 03:04:06 in us-east-1 wide=false\n"; got != want {
		t.Errorf("web later:\n%s", got)
	}
	h.Clock.Advance(keep - time.Minute)
	if got, want := uses(t, s, web), "dynamodb:GetItem "+table+" x2 at 04:04:06 in us-east-1 wide=false\n"; got != want {
		t.Errorf("web 90 days later:\n%s", got)
	}
	found, err := s.actors(ctx, account, "/web")
	if err != nil || len(found) != 1 || found[0] != web {
		t.Errorf("actors: %v, %v", found, err)
	}
}

// Many resources of one action become a pattern, in memory and in the store alike; what
// else was used stays as it is, and the patterns cover everything that was.
func TestWide(t *testing.T) {
	for _, flushEach := range []int{1, 100, 10_000} {
		s, h := house(t)
		ctx := t.Context()
		const tables, streams = "arn:aws:dynamodb:us-east-1:000000000000:table/", "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:2026/01/02/"
		s.Record(ctx, get(h, webSession(), "arn:aws:dynamodb:eu-west-1:000000000000:table/other"))
		for i := range 700 {
			for _, resource := range []string{fmt.Sprintf("%st%03d", tables, i), fmt.Sprintf("%s[$LATEST]%03d", streams, i)} {
				s.Record(ctx, get(h, webSession(), resource))
			}
			if i%flushEach == 0 {
				s.flushNow(ctx)
			}
		}
		all, err := s.LastUse(ctx, account, web)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) > maxResources {
			t.Errorf("%d uses", len(all))
		}
		count, wide := int64(0), 0
		for _, u := range all {
			count += u.Count
			if !u.Wide {
				continue
			}
			wide++
			if u.Resource != tables+"*" && u.Resource != streams+"*" {
				t.Errorf("flush each %d: the pattern %s", flushEach, u.Resource)
			}
		}
		if count != 1401 || wide != 2 {
			t.Errorf("flush each %d: %d uses, %d patterns", flushEach, count, wide)
		}
		if !strings.Contains(uses(t, s, web), "eu-west-1:000000000000:table/other x1") {
			t.Errorf("flush each %d: what was used elsewhere was swallowed", flushEach)
		}
		act := s.activity.principals[web]
		if act != nil && len(act.actions["dynamodb:GetItem"].uses) > maxResources {
			t.Error("memory holds more than the bound")
		}
	}
}

func TestWiden(t *testing.T) {
	many := func(format string, n int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(format, i))
		}
		return out
	}
	for name, c := range map[string]struct {
		resources []string
		want      string
	}{
		"one path":         {many("arn:aws:s3:us-east-1:000000000000:b/a/k%d", 257), "arn:aws:s3:us-east-1:000000000000:b/a/"},
		"two, one larger":  {append(many("arn:aws:x:r:1:t/a/k%d", 200), many("arn:aws:x:r:1:t/b/k%d", 57)...), "arn:aws:x:r:1:t/a/"},
		"many small ones":  {many("arn:aws:x:r:1:log-group:g%d:s", 257), "arn:aws:x:r:1:log-group:"},
		"many accounts":    {many("arn:aws:x:r:%d:q", 257), ""},
		"of no ARN":        {many("q%d", 257), ""},
		"straight below":   {many("arn:aws:sqs:r:1:q%d", 257), "arn:aws:sqs:r:1:"},
		"ends in a slash":  {many("arn:aws:x:r:1:a/%d/", 257), "arn:aws:x:r:1:a/"},
		"patterns already": {many("arn:aws:x:r:1:a/%d/*", 257), "arn:aws:x:r:1:a/"},
	} {
		u := map[string]*use{}
		for _, r := range c.resources {
			u[r] = &use{}
		}
		if got := widen(u); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// However resources are named, folding keeps the count, within the bound, and covers
// every resource.
func FuzzFold(f *testing.F) {
	f.Add("arn:aws:x:r:1:a/%d", "q%d*")
	f.Add("%d:", "*%d/")
	f.Fuzz(func(t *testing.T, one, two string) {
		a := actionUse{uses: map[string]*use{}}
		var all []string
		for i := range 2 * maxResources {
			for _, format := range []string{one, two} {
				r := strings.ReplaceAll(format, "%d", fmt.Sprint(i))
				all = append(all, r)
				a.find(r).add(&use{Count: 1})
			}
		}
		n, wide := int64(0), 0
		for _, u := range a.uses {
			n += u.Count
			if u.Wide {
				wide++
			}
		}
		if len(a.uses) > maxResources || n != int64(len(all)) || wide != a.wide {
			t.Fatalf("%d uses of %d, %d patterns, not %d", n, len(all), wide, a.wide)
		}
		for _, r := range all {
			covered := a.uses[r] != nil
			for pattern, u := range a.uses {
				covered = covered || u.Wide && covers(pattern, r)
			}
			if !covered {
				t.Fatalf("%q is lost", r)
			}
		}
	})
}

// failing is a store that takes no writes while told so.
type failing struct {
	store.Store
	mu  sync.Mutex
	err error
}

func (f *failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.Update(ctx, fn)
}

func (f *failing) fail(err error) {
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
}

// What a full disk does not take is written when there is room.
func TestFlushLater(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	st := &failing{Store: h.Store}
	s := New(Options{Store: st, Clock: h.Clock, Random: h.Random})
	for i := range maxResources + 10 {
		s.Record(t.Context(), get(h, webSession(), fmt.Sprintf("%s%d", table, i)))
	}
	st.fail(store.ErrFull)
	if err := s.flush(t.Context()); !errors.Is(err, store.ErrFull) {
		t.Error(err)
	}
	if got := uses(t, s, web); got != "" { // reads go on
		t.Errorf("%s", got)
	}
	st.fail(nil)
	s.Record(t.Context(), get(h, webSession(), table))
	all, err := s.LastUse(t.Context(), account, web)
	n := int64(0)
	for _, u := range all {
		n += u.Count
	}
	if err != nil || n != maxResources+11 {
		t.Errorf("%d uses, %v", n, err)
	}
}

// Marks and flushes at the same time lose nothing.
func TestActivityRace(t *testing.T) {
	s, h := house(t)
	var marks, flushes sync.WaitGroup
	done := make(chan struct{})
	flushes.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.flushNow(context.Background())
			}
		}
	})
	const each = 500
	for range 4 {
		marks.Go(func() {
			e := get(h, webSession(), table)
			for range each {
				s.Record(context.Background(), e)
			}
		})
	}
	marks.Wait()
	close(done)
	flushes.Wait()
	if got := uses(t, s, web); !strings.Contains(got, fmt.Sprintf(" x%d ", 4*each)) {
		t.Errorf("%s", got)
	}
}

// BenchmarkRecord is what an allowed data event costs its caller. It must stay below 300
// ns and allocate nothing.
func BenchmarkRecord(b *testing.B) {
	s, h := house(b)
	e := get(h, webSession(), table)
	s.Record(b.Context(), e)
	b.ReportAllocs()
	for b.Loop() {
		s.Record(b.Context(), e)
	}
}

// BenchmarkRecordManagement is what a management event costs, but for the disk.
func BenchmarkRecordManagement(b *testing.B) {
	s, h := house(b)
	e := list(h, "r")
	e.In = &iamapi.ListUsersRequest{PathPrefix: new("/staff/"), MaxItems: new(int32(10))}
	b.ReportAllocs()
	for b.Loop() {
		s.Record(b.Context(), e)
		if len(s.queue.notes) == maxWaiting {
			s.queue = newQueue()
		}
	}
}

// TestRecordAllocates nothing for an allowed data event.
func TestRecordAllocates(t *testing.T) {
	s, h := house(t)
	e := get(h, webSession(), table)
	if n := testing.AllocsPerRun(100, func() { s.Record(context.Background(), e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
