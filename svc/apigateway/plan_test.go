package apigateway

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/store"
)

const keyed = `swagger: "2.0"
info: {title: keyed}
securityDefinitions:
  key: {type: apiKey, name: x-api-key, in: header}
paths:
  /x:
    get:
      responses: {}
      security: [{key: []}]
      x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: "{statusCode: 200}"}, responses: {default: {statusCode: 200}}}
`

// Of requests at once a quota lets exactly as many through as it has, and another process on
// the same store knows them all.
func TestQuotaIsExact(t *testing.T) {
	const limit, callers, each = 70, 16, 10
	st := newStand(t)
	st.must(t, st.deploy(t, keyed, "prod"))
	st.must(t, st.subscribe(t, "prod", "abcdefghijklmnopqrstuvwxyz", fmt.Sprintf(`{"Quota": {"Limit": %d, "Period": "MONTH"}}`, limit)))
	var through, refused atomic.Int64
	var wg sync.WaitGroup
	requests := make(chan func(), callers*each)
	for range callers * each {
		r := st.request(t, "GET", "/prod/x", "x-api-key: abcdefghijklmnopqrstuvwxyz\n")
		requests <- func() {
			w := httptest.NewRecorder()
			st.handler.ServeHTTP(w, r)
			switch w.Code {
			case 200:
				through.Add(1)
			case 429:
				refused.Add(1)
			}
		}
	}
	close(requests)
	for range callers {
		wg.Go(func() {
			for do := range requests {
				do()
			}
		})
	}
	wg.Wait()
	if through.Load() != limit || refused.Load() != callers*each-limit {
		t.Errorf("%d went through, and %d were refused", through.Load(), refused.Load())
	}
	if len(st.counters.lanes) != 0 {
		t.Error("a lane is left, though nobody waits in it")
	}
	st.handler = newTest(st.house).Planes()[0].Handler
	w := httptest.NewRecorder()
	st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/x", "x-api-key: abcdefghijklmnopqrstuvwxyz\n"))
	if w.Code != 429 {
		t.Errorf("after a start the quota answers %d", w.Code)
	}
	if got := st.usage(t); got != "[[0 70] [70 0]]\n" {
		t.Errorf("used, and left: %s", got)
	}
}

// A customer's use of a product is counted by the hour.
func TestProductIsMetered(t *testing.T) {
	st := newStand(t)
	st.must(t, st.deploy(t, keyed, "prod"))
	st.must(t, st.subscribe(t, "prod", "abcdefghijklmnopqrstuvwxyz", `{}`))
	ctx := st.house.Context(t.Context())
	_, err := api.UpdateUsagePlan.Do(ctx, st.house, &api.UpdateUsagePlanRequest{UsagePlanId: &st.plan, PatchOperations: []api.PatchOperation{
		{Op: ptr("replace"), Path: ptr("/productCode"), Value: ptr("product")}}})
	st.must(t, err)
	for _, n := range []int{3, 2} {
		for range n {
			w := httptest.NewRecorder()
			st.handler.ServeHTTP(w, st.request(t, "GET", "/prod/x", "x-api-key: abcdefghijklmnopqrstuvwxyz\n"))
			if w.Code != 200 {
				t.Fatalf("%d: %s", w.Code, w.Body)
			}
		}
		st.house.Clock.Advance(time.Hour)
	}
	got := ""
	st.must(t, st.house.Store.View(ctx, func(r store.Reader) error {
		for e, err := range usageHours.List(ctx, r, scope(ctx), store.ListOptions{}) {
			st.must(t, err)
			got += fmt.Sprintln(e.Key.String(0), e.Key.String(1), e.Key.String(2), e.Record)
		}
		return nil
	}))
	if want := "product customer 1767322800 3\nproduct customer 1767326400 2\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPeriods(t *testing.T) {
	for _, c := range []struct {
		period string
		offset int32
		day    string
		begins string
	}{
		{"DAY", 0, "2026-02-28", "2026-02-28"},
		{"WEEK", 0, "2026-11-22", "2026-11-22"}, // a Sunday
		{"WEEK", 0, "2026-11-28", "2026-11-22"},
		{"WEEK", 1, "2026-11-22", "2026-11-16"},
		{"WEEK", 6, "2026-11-28", "2026-11-28"},
		{"MONTH", 0, "2026-03-31", "2026-03-01"},
		{"MONTH", 14, "2026-03-14", "2026-02-15"},
		{"MONTH", 14, "2026-03-15", "2026-03-15"},
		{"MONTH", 27, "2026-01-01", "2025-12-28"},
	} {
		day, err := time.Parse(dateForm, c.day)
		if err != nil {
			t.Fatal(err)
		}
		if got := periodOf(&api.QuotaSettings{Period: &c.period, Offset: &c.offset}, day.Add(23*time.Hour)).Format(dateForm); got != c.begins {
			t.Errorf("%s+%d on %s begins on %s, want %s", c.period, c.offset, c.day, got, c.begins)
		}
	}
}
