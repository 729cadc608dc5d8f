package sam

// A table is the hash table of a dictionary of Python 2.7, as far as the order of its keys
// goes: API Gateway's deployments have been named after what that Python printed since
// SAM was first written, and a deployment that is named anew is made anew.
type table struct {
	slots map[uint64]slot
	mask  uint64 // the slots that there are, less one
	size  int    // keys
	fill  int    // slots ever used: keys, and what is left of removed ones
}

// A slot with gone set held a key that was removed; searches go past it.
type slot struct {
	key  name
	gone bool
}

const leastSlots = 8

func newTable() *table { return &table{slots: map[uint64]slot{}, mask: leastSlots - 1} }

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
func (t *table) find(key string) uint64 {
	h := hash(key)
	i := h & t.mask
	s, used := t.slots[i]
	if !used || !s.gone && s.key.text == key {
		return i
	}
	free, walker, perturb := i, i, h
	isFree := s.gone
	for {
		walker = walker<<2 + walker + perturb + 1
		i = walker & t.mask
		s, used = t.slots[i]
		switch {
		case !used && isFree:
			return free
		case !used, !s.gone && s.key.text == key:
			return i
		case s.gone && !isFree:
			free, isFree = i, true
		}
		perturb >>= 5
	}
}

func (t *table) add(key name) {
	i := t.find(key.text)
	s, used := t.slots[i]
	if used && !s.gone {
		return
	}
	if !used {
		t.fill++
	}
	t.size++
	t.slots[i] = slot{key: key}
	if uint64(t.fill)*3 >= (t.mask+1)*2 {
		factor := 4
		if t.size > 50000 {
			factor = 2
		}
		t.resize(t.size * factor)
	}
}

func (t *table) remove(key string) {
	i := t.find(key)
	if s, used := t.slots[i]; used && !s.gone {
		t.slots[i] = slot{gone: true}
		t.size--
	}
}

// resize makes room for more than n keys.
func (t *table) resize(n int) {
	slots := uint64(leastSlots)
	for slots <= uint64(n) {
		slots <<= 1
	}
	keys := t.names()
	*t = table{slots: make(map[uint64]slot, len(keys)), mask: slots - 1}
	for _, k := range keys {
		t.add(k)
	}
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
	for i := uint64(0); i <= t.mask && len(out) < t.size; i++ {
		if s, used := t.slots[i]; used && !s.gone {
			out = append(out, s.key)
		}
	}
	return out
}
