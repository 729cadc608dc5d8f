package sam

import "slices"

// A table is the hash table of a dictionary of Python 2.7, as far as the order of its keys
// goes: API Gateway's deployments have been named after what that Python printed since
// SAM was first written, and a deployment that is named anew is made anew.
type table struct {
	slots []slot
	mask  uint64 // the slots that there are, less one
	size  int    // keys
	fill  int    // slots ever used: keys, and what is left of removed ones
	// settled says that the keys, put in their order into another table, stand in it as
	// they do here: that copies may be made slot by slot.
	settled bool
}

// A slot with gone set held a key that was removed; searches go past it.
type slot struct {
	key        name
	hash       uint64
	used, gone bool
}

const leastSlots = 8

func newTable() *table { return &table{slots: make([]slot, leastSlots), mask: leastSlots - 1} }

// hash is Python 2.7's of a text.
func hash(text string) uint64 {
	var x uint64
	length := uint64(0)
	for _, r := range text {
		if length == 0 {
			x = uint64(r) << 7
		}
		x = 1000003*x ^ uint64(r)
		length++
	}
	return x ^ length
}

// find is the slot that has the key, or that it goes to.
func (t *table) find(key string, h uint64) uint64 {
	i := h & t.mask
	s := &t.slots[i]
	if !s.used || !s.gone && s.key.text == key {
		return i
	}
	free, walker, perturb := i, i, h
	isFree := s.gone
	for {
		walker = walker<<2 + walker + perturb + 1
		i = walker & t.mask
		s = &t.slots[i]
		switch {
		case !s.used && isFree:
			return free
		case !s.used, !s.gone && s.key.text == key:
			return i
		case s.gone && !isFree:
			free, isFree = i, true
		}
		perturb >>= 5
	}
}

func (t *table) add(key name) { t.addHashed(key, hash(key.text)) }

func (t *table) addHashed(key name, h uint64) {
	s := &t.slots[t.find(key.text, h)]
	if s.used && !s.gone {
		return
	}
	t.settled = false
	if !s.used {
		t.fill++
	}
	t.size++
	*s = slot{key: key, hash: h, used: true}
	if uint64(t.fill)*3 >= (t.mask+1)*2 {
		factor := 4
		if t.size > 50000 {
			factor = 2
		}
		t.resize(t.size * factor)
	}
}

func (t *table) remove(key string) {
	if s := &t.slots[t.find(key, hash(key))]; s.used && !s.gone {
		*s = slot{used: true, gone: true}
		t.size--
		t.settled = false
	}
}

// copy is a table with the same keys, put in one after the other.
func (t *table) copy() *table {
	if t.settled {
		c := *t
		c.slots = slices.Clone(t.slots)
		return &c
	}
	c := newTable()
	c.take(t.slots)
	next := 0
	c.settled = true
	for _, s := range t.slots {
		if !s.used || s.gone {
			continue
		}
		for !c.slots[next].used {
			next++
		}
		if c.slots[next].key.text != s.key.text {
			c.settled = false
			break
		}
		next++
	}
	return c
}

// take adds the keys of slots, in their order.
func (t *table) take(slots []slot) {
	for _, s := range slots {
		if s.used && !s.gone {
			t.addHashed(s.key, s.hash)
		}
	}
}

// resize makes room for more than n keys.
func (t *table) resize(n int) {
	slots := uint64(leastSlots)
	for slots <= uint64(n) {
		slots <<= 1
	}
	before := t.slots
	*t = table{slots: make([]slot, slots), mask: slots - 1}
	t.take(before)
}

// grow makes room for n keys more, as Python does before it takes in another dictionary.
func (t *table) grow(n int) {
	if n > 0 && uint64(t.fill+n)*3 >= (t.mask+1)*2 {
		t.resize((t.size + n) * 2)
	}
}

// merge adds keys as those of another dictionary.
func (t *table) merge(keys []name) {
	t.grow(len(keys))
	for _, k := range keys {
		t.add(k)
	}
}

// names are the keys, in the order of their slots.
func (t *table) names() []name {
	out := make([]name, 0, t.size)
	for i := range t.slots {
		if s := &t.slots[i]; s.used && !s.gone {
			out = append(out, s.key)
		}
	}
	return out
}
