package policy

import (
	"container/list"
	"sync"
)

// Cache compiles documents once. It is keyed by the documents' text, so a policy
// that changes needs no invalidation, and one text on a thousand roles is compiled
// once. It holds at most a given number of policies and forgets the one unused for
// longest. Safe for concurrent use.
type Cache struct {
	mu      sync.Mutex
	max     int
	entries map[string]*list.Element
	recent  list.List // of *Policy, the latest used in front
}

// NewCache returns a cache of at most max policies; 0 or less means 4096.
func NewCache(max int) *Cache {
	if max <= 0 {
		max = 4096
	}
	return &Cache{max: max, entries: make(map[string]*list.Element)}
}

// Get returns the compiled form of a document. The error is Parse's; a text that
// fails is not kept.
func (c *Cache) Get(text string) (*Policy, error) {
	c.mu.Lock()
	if el := c.entries[text]; el != nil {
		c.recent.MoveToFront(el)
		p := el.Value.(*Policy)
		c.mu.Unlock()
		return p, nil
	}
	c.mu.Unlock()

	p, err := ParseAndCompile(text) // outside the lock; two may do it, one is kept
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if el := c.entries[text]; el != nil {
		return el.Value.(*Policy), nil
	}
	c.entries[text] = c.recent.PushFront(p)
	if c.recent.Len() > c.max {
		last := c.recent.Back()
		c.recent.Remove(last)
		delete(c.entries, last.Value.(*Policy).doc.text)
	}
	return p, nil
}

// Len is the number of policies held.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}
