package apigateway

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A cache holds no more than its size, the last used longest, and forgets all when its
// size changes.
func TestCacheBounds(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	c := newResponseCaches(h.Clock, h.Random)
	of, limit := cacheStage{"a", "prod", false}, int64(10<<10)
	out := &reply{status: 200, header: []gateway.Param{{Name: "A", Value: "b"}}, body: make([]byte, 1<<10)}
	put := func(i int) { c.put(of, limit, fmt.Sprint("key", i), out, time.Minute, i%2 == 0) }
	for i := range 100 {
		put(i)
		if _, ok := c.get(of, "key0"); !ok && i < 50 {
			t.Fatalf("what is used went at %d", i)
		}
		if c.stages[of].used > limit || c.total != c.stages[of].used {
			t.Fatalf("%d of %d bytes, %d in all", c.stages[of].used, limit, c.total)
		}
	}
	if n := len(c.stages[of].entries); n < 3 || n > 10 || n != c.stages[of].order.Len() {
		t.Errorf("%d entries", n)
	}
	limit = 20 << 10
	put(200)
	if len(c.stages[of].entries) != 1 {
		t.Error("another size kept what was there")
	}
	c.put(of, limit, "large", &reply{body: make([]byte, maxCached+1)}, time.Minute, false)
	c.put(of, limit, "larger", &reply{body: make([]byte, 30<<10)}, time.Minute, false)
	if len(c.stages[of].entries) != 1 {
		t.Error("an answer that is too long is kept")
	}
	c.flush("a", "prod")
	if c.total != 0 || len(c.stages) != 0 {
		t.Errorf("%d bytes are left", c.total)
	}
}

// What is kept encrypted comes back as it was, and does not stand in memory as it is.
func TestCacheSealed(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	c := newResponseCaches(h.Clock, h.Random)
	of, secret := cacheStage{"a", "prod", false}, []byte("a secret that nobody reads \x00\xff")
	c.put(of, 1<<20, "k", &reply{status: 201, header: []gateway.Param{{Name: "A", Value: "b"}}, body: secret}, time.Minute, true)
	got, ok := c.get(of, "k")
	if !ok || got.status != 201 || !bytes.Equal(got.body, secret) || got.header[0].Value != "b" {
		t.Errorf("%v", got)
	}
	kept := c.stages[of].entries["k"].Value.(*cached)
	if kept.reply != nil || bytes.Contains(kept.sealed, secret[:10]) {
		t.Error("it is there to be read")
	}
}

// A canary answers as many requests as it is to.
func TestCanaryShare(t *testing.T) {
	h := script.New()
	defer h.Store.Close()
	st := newStand(t)
	st.must(t, st.deploy(t, proxyTo("echo", ""), "prod"))
	st.must(t, st.redeploy(t, `{"StageName": "prod", "CanarySettings": {"PercentTraffic": 12.5}}`))
	stage, err := st.load(st.house.Context(t.Context()), st.apiID, "prod")
	st.must(t, err)
	n := 0
	for i := range 1 << 16 {
		if p, _, canary := stage.pick([]byte{byte(i >> 8), byte(i)}); canary != (p == stage.canary) {
			t.Fatal("another program than it says")
		} else if canary {
			n++
		}
	}
	if n != 1<<13 {
		t.Errorf("%d of 65536", n)
	}
}
