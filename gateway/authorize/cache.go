package authorize

import (
	"container/list"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A Key is what an answer was given for: the sources of identity, of one authorizer, of
// one stage. An authorizer that changed has another Version, such as its deployment.
type Key struct{ API, Stage, Authorizer, Version, Identity string }

// Limits on what a Cache holds.
const (
	maxAnswers = 100_000
	maxBytes   = 64 << 20
)

// A Cache keeps answers for a time, and forgets first what was unused for longest. It is
// in memory: after a start it is empty. Safe for concurrent use.
type Cache struct {
	clock aws.Clock

	mu    sync.Mutex
	of    map[Key]*list.Element
	order *list.List // of *kept, those used last in front
	bytes int
}

type kept struct {
	key    Key
	answer *Answer
	until  time.Time
	size   int
}

// NewCache returns a Cache that holds nothing.
func NewCache(clock aws.Clock) *Cache {
	return &Cache{clock: clock, of: map[Key]*list.Element{}, order: list.New()}
}

// Get is the answer for a key, if there is one and its time is not over.
func (c *Cache) Get(key Key) (*Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.of[key]
	if e == nil {
		return nil, false
	}
	k := e.Value.(*kept)
	if !c.clock.Now().Before(k.until) {
		c.drop(e)
		return nil, false
	}
	c.order.MoveToFront(e)
	return k.answer, true
}

// Put keeps an answer for a time; 0 or less keeps nothing.
func (c *Cache) Put(key Key, a *Answer, ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	k := &kept{key: key, answer: a, until: c.clock.Now().Add(ttl),
		size: a.Size + len(key.API) + len(key.Stage) + len(key.Authorizer) + len(key.Version) + len(key.Identity) + 256}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.of[key]; e != nil {
		c.drop(e)
	}
	c.of[key] = c.order.PushFront(k)
	c.bytes += k.size
	for len(c.of) > maxAnswers || c.bytes > maxBytes {
		c.drop(c.order.Back())
	}
}

// Flush forgets what was answered for a stage.
func (c *Cache) Flush(apiID, stage string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.of {
		if key.API == apiID && key.Stage == stage {
			c.drop(e)
		}
	}
}

// Len is how many answers there are.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.of)
}

func (c *Cache) drop(e *list.Element) {
	k := c.order.Remove(e).(*kept)
	delete(c.of, k.key)
	c.bytes -= k.size
}
