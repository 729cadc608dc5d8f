package apigateway

import (
	lru "container/list"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/vtl/gateway"
)

// A stage's cache keeps methods' answers for a while. It lives in memory and is bounded
// by the size that the stage asks for, and all caches together by maxCaches: the oldest
// in use goes first. A restart empties it, as the failure of AWS's cache node would.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html
type responseCaches struct {
	clock  aws.Clock
	random io.Reader
	mu     sync.Mutex
	stages map[cacheStage]*stageCache
	total  int64
	seal   cipher.AEAD // of answers whose methods ask for it; made when first needed
}

const (
	maxCached = 1 << 20   // bytes of one answer; a longer one is not kept
	maxCaches = 512 << 20 // bytes of all stages' caches
	perEntry  = 512       // bytes that an entry counts beside its answer
)

// cacheStage is whose a cache is. A canary has one of its own, unless it shares.
type cacheStage struct {
	api, stage string
	canary     bool
}

type stageCache struct {
	limit, used int64
	entries     map[string]*lru.Element
	order       *lru.List // of *cached, the last used first
}

type cached struct {
	key    string
	until  time.Time
	reply  *reply
	sealed []byte // the reply, where it is kept encrypted
	size   int64
}

func newResponseCaches(clock aws.Clock, random io.Reader) *responseCaches {
	return &responseCaches{clock: clock, random: random, stages: map[cacheStage]*stageCache{}}
}

// cacheBytes is a cluster's size, such as "0.5", which is in gigabytes.
func cacheBytes(size string) int64 {
	gb, err := strconv.ParseFloat(size, 64)
	if err != nil || gb <= 0 || gb > 1000 {
		gb = 0.5
	}
	return int64(gb * (1 << 30))
}

// get is the answer that is kept under key.
func (c *responseCaches) get(of cacheStage, key string) (*reply, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stages[of]
	if s == nil || s.entries[key] == nil {
		return nil, false
	}
	e := s.entries[key]
	kept := e.Value.(*cached)
	if !c.clock.Now().Before(kept.until) {
		c.drop(s, e)
		return nil, false
	}
	s.order.MoveToFront(e)
	if kept.reply != nil {
		return kept.reply.clone(), true
	}
	n := c.seal.NonceSize()
	plain, err := c.seal.Open(nil, kept.sealed[:n], kept.sealed[n:], []byte(key))
	var w wireReply
	if err != nil || json.Unmarshal(plain, &w) != nil {
		return nil, false
	}
	return &reply{status: w.Status, header: w.Header, body: w.Body}, true
}

// wireReply is a reply as it is sealed.
type wireReply struct {
	Status int
	Header []gateway.Param
	Body   []byte
}

// put keeps an answer. What is too long for the cache is not kept.
func (c *responseCaches) put(of cacheStage, limit int64, key string, out *reply, ttl time.Duration, encrypt bool) {
	fresh := &cached{key: key, until: c.clock.Now().Add(ttl), size: int64(perEntry + len(key) + len(out.body))}
	for _, p := range out.header {
		fresh.size += int64(len(p.Name) + len(p.Value))
	}
	if len(out.body) > maxCached || fresh.size > limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if encrypt {
		if fresh.sealed = c.sealed(out, key); fresh.sealed == nil {
			return
		}
		fresh.size += int64(len(fresh.sealed) - len(out.body))
	} else {
		fresh.reply = out.clone()
	}
	s := c.stages[of]
	if s == nil || s.limit != limit { // another size is another cluster
		c.remove(of)
		s = &stageCache{limit: limit, entries: map[string]*lru.Element{}, order: lru.New()}
		c.stages[of] = s
	}
	if old := s.entries[key]; old != nil {
		c.drop(s, old)
	}
	for s.order.Len() > 0 && (s.used+fresh.size > limit || c.total+fresh.size > maxCaches) {
		c.drop(s, s.order.Back())
	}
	if c.total+fresh.size > maxCaches {
		return
	}
	s.entries[key] = s.order.PushFront(fresh)
	s.used += fresh.size
	c.total += fresh.size
}

// sealed is an answer encrypted under a key that only this process knows.
func (c *responseCaches) sealed(out *reply, key string) []byte {
	if c.seal == nil {
		var k [32]byte
		if _, err := io.ReadFull(c.random, k[:]); err != nil {
			return nil
		}
		block, err := aes.NewCipher(k[:])
		if err != nil {
			return nil
		}
		if c.seal, err = cipher.NewGCM(block); err != nil {
			return nil
		}
	}
	plain, err := json.Marshal(wireReply{out.status, out.header, out.body})
	nonce := make([]byte, c.seal.NonceSize(), c.seal.NonceSize()+len(plain)+c.seal.Overhead())
	if err != nil {
		return nil
	}
	if _, err := io.ReadFull(c.random, nonce); err != nil {
		return nil
	}
	return c.seal.Seal(nonce, nonce, plain, []byte(key))
}

func (c *responseCaches) drop(s *stageCache, e *lru.Element) {
	kept := s.order.Remove(e).(*cached)
	delete(s.entries, kept.key)
	s.used -= kept.size
	c.total -= kept.size
}

// flush empties the caches of a stage.
func (c *responseCaches) flush(apiID, stage string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(cacheStage{apiID, stage, false})
	c.remove(cacheStage{apiID, stage, true})
}

func (c *responseCaches) remove(of cacheStage) {
	if s := c.stages[of]; s != nil {
		c.total -= s.used
		delete(c.stages, of)
	}
}

// clone is a copy that shares the body, which nobody writes to.
func (r *reply) clone() *reply {
	return &reply{status: r.status, header: append([]gateway.Param(nil), r.header...), body: r.body}
}

// flushStageCache empties a stage's cache.
func (s *Service) flushStageCache(ctx context.Context, in *api.FlushStageCacheRequest) (*aws.Empty, error) {
	return view(ctx, s, func(r store.Reader) (*aws.Empty, error) {
		if _, err := lookup(ctx, r, in.RestApiId); err != nil {
			return nil, err
		}
		if _, err := readStage(ctx, r, scope(ctx), *in.RestApiId, *in.StageName); err != nil {
			return nil, err
		}
		s.caches.flush(*in.RestApiId, *in.StageName)
		return nil, nil
	})
}

// caching is how a method's answers are kept; the time is zero where they are not.
// Settings for all methods are of those that read: GET.
func (x *exchange) caching() (m *api.MethodSetting, ttl time.Duration) {
	if x.stage == nil || !aws.Value(x.stage.CacheClusterEnabled) {
		return nil, 0
	}
	m, own := x.setting, x.ownSetting
	if m == nil || !aws.Value(m.CachingEnabled) || !own && x.req.verb != "GET" {
		return nil, 0
	}
	return m, time.Duration(min(aws.Value(m.CacheTtlInSeconds), math.MaxInt32)) * time.Second
}

// cacheKey is what an answer is kept under: its method's namespace and verb, and the
// values of the parameters that it says make a difference.
func (x *exchange) cacheKey() string {
	var b strings.Builder
	i := x.method.integration
	b.WriteString(i.cacheNamespace)
	b.WriteByte(0)
	b.WriteString(x.req.verb)
	for _, src := range i.cacheKeys {
		values, _ := x.read(src, x.req.header, &payload{})
		for _, v := range values {
			b.WriteByte(1)
			b.WriteString(strconv.Itoa(len(v)) + ":" + v)
		}
		b.WriteByte(0)
	}
	return b.String()
}

// fromCache answers from the stage's cache, or keeps what run answers.
func (x *exchange) fromCache(ctx context.Context, m *api.MethodSetting, ttl time.Duration, run func(context.Context) (*reply, error)) (*reply, error) {
	of := cacheStage{x.program.apiID, x.stageName, x.canary && !aws.Value(x.stage.CanarySettings.UseStageCache)}
	key := x.cacheKey()
	fresh, warning, err := x.wantsFresh(ctx, m)
	if err != nil {
		return nil, err
	}
	var out *reply
	if !fresh {
		out, x.hit = x.s.caches.get(of, key)
	}
	x.looked = true
	if !x.hit {
		if out, err = run(ctx); err != nil {
			return nil, err
		}
		x.s.caches.put(of, cacheBytes(aws.Value(x.stage.CacheClusterSize)), key, out, ttl, aws.Value(m.CacheDataEncrypted))
	}
	if warning {
		out.set("Warning", "199 Cache-control headers were ignored because the caller was unauthorized.")
	}
	return out, nil
}

// wantsFresh reports whether the caller asks for what no cache holds, and may; and if
// not, whether it is to be told.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-caching.html#override-api-gateway-stage-cache-for-method-cache
func (x *exchange) wantsFresh(ctx context.Context, m *api.MethodSetting) (fresh, warning bool, err error) {
	asked := false
	for _, h := range all(x.req.header, "Cache-Control", true) {
		for d := range strings.SplitSeq(h, ",") {
			asked = asked || strings.EqualFold(strings.TrimSpace(d), "max-age=0")
		}
	}
	if !asked || !aws.Value(m.RequireAuthorizationForCacheControl) {
		return asked, false, nil
	}
	err = x.may(ctx, "execute-api:InvalidateCache", x.program.policy)
	if _, refused := err.(*fault); !refused {
		return err == nil, false, err
	}
	switch aws.Value(m.UnauthorizedCacheControlHeaderStrategy) {
	case api.UnauthorizedCacheControlHeaderStrategyFailWith403:
		return false, false, err
	case api.UnauthorizedCacheControlHeaderStrategySucceedWithoutResponseHeader:
		return false, false, nil
	}
	return false, true, nil
}
