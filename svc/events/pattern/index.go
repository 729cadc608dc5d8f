package pattern

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
)

// An Index finds which of many patterns match an event. Each alternative of each pattern
// lies under one of its fields, the one that fewest others share a value with: an event's
// leaves lead to few alternatives, which are then held against the event as a whole. It
// grows and shrinks pattern by pattern. Readers may be many at a time, a writer is alone.
type Index struct {
	patterns map[string]*Pattern
	entries  map[string][]*entry
	paths    map[string]*shelf
	always   map[*entry]struct{} // those that ask of no leaf that is there
}

// An entry is an alternative with the name of its pattern.
type entry struct {
	name string
	*alternative
	at int // the field that it lies under, -1 for none
}

// A shelf is the entries that lie under a path.
type shelf struct {
	exact            map[string][]*entry // by kind and text
	prefix, suffix   affixes
	prefixF, suffixF affixes // folded
	folded           map[string][]*entry
	networks         map[netip.Prefix][]*entry
	bits             map[int]int // how many networks there are of each length; IPv6 above 1,000
	ranges           intervals
	present          map[*entry]struct{} // whatever the leaf is
	n                int
}

// affixes are entries by the beginning or end of a text.
type affixes struct {
	by      map[string][]*entry
	lengths map[int]int // how many there are of each length
}

// NewIndex returns an index of nothing.
func NewIndex() *Index {
	return &Index{patterns: map[string]*Pattern{}, entries: map[string][]*entry{}, paths: map[string]*shelf{}, always: map[*entry]struct{}{}}
}

// Len is how many patterns there are.
func (x *Index) Len() int { return len(x.patterns) }

// Put adds a pattern, in the stead of one with the same name.
func (x *Index) Put(name string, p *Pattern) {
	x.Delete(name)
	x.patterns[name] = p
	for _, a := range p.alternatives {
		e := &entry{name: name, alternative: a}
		e.at = x.place(a)
		x.entries[name] = append(x.entries[name], e)
		if e.at < 0 {
			x.always[e] = struct{}{}
			continue
		}
		path := a.fields[e.at].path
		s := x.paths[path]
		if s == nil {
			s = &shelf{exact: map[string][]*entry{}, folded: map[string][]*entry{}, networks: map[netip.Prefix][]*entry{}, bits: map[int]int{}, present: map[*entry]struct{}{}}
			x.paths[path] = s
		}
		s.n++
		for i := range a.fields[e.at].matchers {
			s.change(&a.fields[e.at].matchers[i], e, true)
		}
	}
}

// Delete takes a pattern out.
func (x *Index) Delete(name string) {
	for _, e := range x.entries[name] {
		if e.at < 0 {
			delete(x.always, e)
			continue
		}
		f := &e.fields[e.at]
		s := x.paths[f.path]
		for i := range f.matchers {
			s.change(&f.matchers[i], e, false)
		}
		if s.n--; s.n == 0 {
			delete(x.paths, f.path)
		}
	}
	delete(x.entries, name)
	delete(x.patterns, name)
}

// Match is the names of the patterns that match, in no order.
func (x *Index) Match(ev *Event) []string {
	var out []string
	seen := map[*entry]bool{}
	named := map[string]bool{}
	try := func(e *entry) {
		if seen[e] {
			return
		}
		seen[e] = true
		if !named[e.name] && e.matches(ev) {
			named[e.name] = true
			out = append(out, e.name)
		}
	}
	for e := range x.always {
		try(e)
	}
	for path, leaves := range ev.leaves {
		if s := x.paths[path]; s != nil {
			for i := range leaves {
				s.visit(&leaves[i], try)
			}
		}
	}
	return out
}

// place chooses the field that an alternative lies under.
func (x *Index) place(a *alternative) int {
	best, least := -1, math.Inf(1)
	for i := range a.fields {
		f := &a.fields[i]
		if f.allowsAbsence() {
			continue
		}
		cost := 0.0
		for j := range f.matchers {
			cost += x.paths[f.path].crowd(&f.matchers[j])
		}
		if cost <= least { // of equals the last, which lies deeper more often than not
			best, least = i, cost
		}
	}
	return best
}

// What a place costs where every leaf leads to it, or many a number does: to how many is not
// known.
const (
	rangeCost   = 1e6
	presentCost = 1e9
)

// crowd is how many entries a leaf that m accepts leads to.
func (s *shelf) crowd(m *matcher) float64 {
	switch placed, text := keyOf(m); {
	case placed == inRanges:
		return rangeCost
	case placed == inPresent:
		return presentCost
	case s == nil:
		return 0
	case placed == inExact:
		return float64(len(s.exact[text]))
	case placed == inFolded:
		return float64(len(s.folded[text]))
	case placed == inNetworks:
		return float64(len(s.networks[m.net]))
	default:
		return float64(len(s.affixes(placed).by[text]))
	}
}

// A compartment is a part of a shelf.
type compartment int

const (
	inExact compartment = iota
	inFolded
	inPrefix
	inSuffix
	inPrefixFolded
	inSuffixFolded
	inNetworks
	inRanges
	inPresent
)

// keyOf is where on a shelf a matcher lies, and under what.
func keyOf(m *matcher) (compartment, string) {
	switch m.op {
	case opExact:
		return inExact, exactKey(m.kind, m.text, m.num, m.addr)
	case opFold:
		return inFolded, m.text
	case opPrefix:
		return inPrefix, m.text
	case opSuffix:
		return inSuffix, m.text
	case opPrefixFold:
		return inPrefixFolded, m.text
	case opSuffixFold:
		return inSuffixFolded, m.text
	case opNetwork:
		return inNetworks, ""
	case opRange:
		return inRanges, ""
	case opWildcard:
		if head, tail := m.parts[0], m.parts[len(m.parts)-1]; len(head) >= len(tail) && head != "" {
			return inPrefix, head
		} else if tail != "" {
			return inSuffix, tail
		}
	}
	return inPresent, ""
}

// exactKey is the same for values that are equal.
func exactKey(k kind, text string, num float64, addr netip.Addr) string {
	switch {
	case k == numberValue && !math.IsNaN(num):
		return "n" + strconv.FormatFloat(num, 'g', -1, 64)
	case addr.IsValid():
		return "a" + addr.String()
	}
	return string(rune(k)) + text
}

func (s *shelf) affixes(c compartment) *affixes {
	switch c {
	case inPrefix:
		return &s.prefix
	case inSuffix:
		return &s.suffix
	case inPrefixFolded:
		return &s.prefixF
	}
	return &s.suffixF
}

// change puts an entry where m leads to, or takes it away.
func (s *shelf) change(m *matcher, e *entry, add bool) {
	switch placed, text := keyOf(m); placed {
	case inExact:
		changeList(s.exact, text, e, add)
	case inFolded:
		changeList(s.folded, text, e, add)
	case inNetworks:
		changeList(s.networks, m.net, e, add)
		count(s.bits, bitsKey(m.net), add)
	case inRanges:
		if add {
			s.ranges.add(m.low, m.high, e)
		} else {
			s.ranges.remove(m.low, m.high, e)
		}
	case inPresent:
		changeSet(s.present, e, add)
	default:
		a := s.affixes(placed)
		if a.by == nil {
			a.by, a.lengths = map[string][]*entry{}, map[int]int{}
		}
		changeList(a.by, text, e, add)
		count(a.lengths, len(text), add)
	}
}

func bitsKey(p netip.Prefix) int {
	if p.Addr().Is4() {
		return p.Bits()
	}
	return 1000 + p.Bits()
}

func changeList[K comparable](by map[K][]*entry, key K, e *entry, add bool) {
	if add {
		by[key] = append(by[key], e)
		return
	}
	if i := slices.Index(by[key], e); i >= 0 {
		by[key] = slices.Delete(by[key], i, i+1)
	}
	if len(by[key]) == 0 {
		delete(by, key)
	}
}

func changeSet(set map[*entry]struct{}, e *entry, add bool) {
	if add {
		set[e] = struct{}{}
	} else {
		delete(set, e)
	}
}

func count(counts map[int]int, key int, add bool) {
	if add {
		counts[key]++
	} else if counts[key]--; counts[key] == 0 {
		delete(counts, key)
	}
}

// visit tries every entry that a leaf may satisfy.
func (s *shelf) visit(v *value, try func(*entry)) {
	all(s.present, try)
	switch v.kind {
	case numberValue:
		n := number(v.text)
		each(s.exact[exactKey(v.kind, v.text, n, netip.Addr{})], try)
		s.ranges.root.visit(n, try)
	case stringValue:
		s.visitText(v.text, try)
	default:
		each(s.exact[exactKey(v.kind, v.text, 0, netip.Addr{})], try)
	}
}

func (s *shelf) visitText(text string, try func(*entry)) {
	a := address(text)
	each(s.exact[exactKey(stringValue, text, 0, a)], try)
	s.prefix.visit(text, false, try)
	s.suffix.visit(text, true, try)
	if len(s.folded)+len(s.prefixF.by)+len(s.suffixF.by) > 0 {
		low := fold(text)
		each(s.folded[low], try)
		s.prefixF.visit(low, false, try)
		s.suffixF.visit(low, true, try)
	}
	if !a.IsValid() {
		return
	}
	for key := range s.bits {
		if a.Is4() != (key < 1000) {
			continue
		}
		if p, err := a.Prefix(key % 1000); err == nil {
			each(s.networks[p], try)
		}
	}
}

func (a *affixes) visit(text string, end bool, try func(*entry)) {
	for n := range a.lengths {
		switch {
		case n > len(text):
		case end:
			each(a.by[text[len(text)-n:]], try)
		default:
			each(a.by[text[:n]], try)
		}
	}
}

func each(list []*entry, try func(*entry)) {
	for _, e := range list {
		try(e)
	}
}

func all(set map[*entry]struct{}, try func(*entry)) {
	for e := range maps.Keys(set) {
		try(e)
	}
}
