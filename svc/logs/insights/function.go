package insights

import (
	"encoding/json"
	"math"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// A function is one that expressions may call, with its least and most arguments; a
// negative most is no limit.
type function struct {
	least, most int
	of          func([]value) value
}

var functions = map[string]function{
	"abs": numeric(math.Abs), "ceil": numeric(math.Ceil), "floor": numeric(math.Floor), "log": numeric(math.Log), "sqrt": numeric(math.Sqrt),
	"greatest": {1, -1, func(a []value) value { return extreme(a, 1) }},
	"least":    {1, -1, func(a []value) value { return extreme(a, -1) }},

	"frommillis": {1, 1, func(a []value) value {
		if f, ok := a[0].number(); ok {
			return momentOf(int64(f))
		}
		return value{}
	}},
	"tomillis": {1, 1, func(a []value) value {
		if f, ok := a[0].number(); ok {
			return numberOf(math.Trunc(f))
		}
		return value{}
	}},

	"ispresent": {1, 1, func(a []value) value { return truthOf(a[0].kind != missing) }},
	"coalesce": {1, -1, func(a []value) value {
		for _, v := range a {
			if v.kind != missing {
				return v
			}
		}
		return value{}
	}},

	"isempty": {1, 1, func(a []value) value { return truthOf(a[0].kind == missing || a[0].String() == "") }},
	"isblank": {1, 1, func(a []value) value { return truthOf(a[0].kind == missing || strings.TrimSpace(a[0].String()) == "") }},
	"concat": {1, -1, func(a []value) value {
		var b strings.Builder
		for _, v := range a {
			b.WriteString(v.String())
		}
		return textOf(b.String())
	}},
	"trim":    trimming(strings.Trim),
	"ltrim":   trimming(strings.TrimLeft),
	"rtrim":   trimming(strings.TrimRight),
	"toupper": textual(strings.ToUpper),
	"tolower": textual(strings.ToLower),
	"strlen": {1, 1, func(a []value) value {
		if a[0].kind == missing {
			return value{}
		}
		return numberOf(float64(utf8.RuneCountInString(a[0].String())))
	}},
	"substr": {2, 3, substr},
	"strcontains": {2, 2, func(a []value) value {
		return numberOf(truthOf(a[0].kind != missing && strings.Contains(a[0].String(), a[1].String())).num)
	}},

	"isvalidip":      addressed(func(netip.Addr) bool { return true }),
	"isvalidipv4":    addressed(netip.Addr.Is4),
	"isvalidipv6":    addressed(netip.Addr.Is6),
	"isipinsubnet":   within(func(netip.Addr) bool { return true }),
	"isipv4insubnet": within(netip.Addr.Is4),
	"isipv6insubnet": within(netip.Addr.Is6),

	"jsonparse": {1, 1, func(a []value) value {
		dec := json.NewDecoder(strings.NewReader(a[0].String()))
		dec.UseNumber()
		var v any
		if a[0].kind == missing || dec.Decode(&v) != nil {
			return value{}
		}
		return fromJSON(v)
	}},
	"jsonstringify": {1, 1, func(a []value) value {
		if a[0].kind == missing {
			return value{}
		}
		return textOf(a[0].String())
	}},
	"unmask": {1, 1, func(a []value) value { return a[0] }}, // nothing is masked
}

func numeric(f func(float64) float64) function {
	return function{1, 1, func(a []value) value {
		x, ok := a[0].number()
		if !ok {
			return value{}
		}
		return finite(f(x))
	}}
}

func textual(f func(string) string) function {
	return function{1, 1, func(a []value) value {
		if a[0].kind == missing {
			return value{}
		}
		return textOf(f(a[0].String()))
	}}
}

// trimming takes off spaces, or the characters of a second argument.
func trimming(f func(s, cutset string) string) function {
	return function{1, 2, func(a []value) value {
		if a[0].kind == missing {
			return value{}
		}
		cutset := " \t\r\n"
		if len(a) == 2 {
			cutset = a[1].String()
		}
		return textOf(f(a[0].String(), cutset))
	}}
}

// extreme is the greatest or the least of some numbers.
func extreme(a []value, sign int) value {
	best := value{}
	for _, v := range a {
		if _, ok := v.number(); !ok {
			return value{}
		}
		if order, ok := compare(v, best); !ok || order*sign > 0 {
			best = v
		}
	}
	return best
}

// substr is a part of a text, from an index on, so many characters long.
func substr(a []value) value {
	from, ok := a[1].number()
	if !ok || from < 0 || a[0].kind == missing {
		return value{}
	}
	s := []rune(a[0].String())
	s = s[min(int(math.Min(from, float64(len(s)))), len(s)):]
	if len(a) == 3 {
		n, ok := a[2].number()
		if !ok || n < 0 {
			return value{}
		}
		s = s[:int(math.Min(n, float64(len(s))))]
	}
	return textOf(string(s))
}

func addressed(is func(netip.Addr) bool) function {
	return function{1, 1, func(a []value) value {
		addr, err := netip.ParseAddr(a[0].String())
		return truthOf(err == nil && is(addr))
	}}
}

func within(is func(netip.Addr) bool) function {
	return function{2, 2, func(a []value) value {
		addr, err := netip.ParseAddr(a[0].String())
		if err != nil || !is(addr) {
			return truthOf(false)
		}
		net, err := netip.ParsePrefix(a[1].String())
		return truthOf(err == nil && net.Contains(addr))
	}}
}

// round is the beginning of the period in which a time lies, and that of the next.
func (p period) round(ms int64) (this, next int64) {
	if p.months == 0 {
		n := p.Milliseconds()
		this = ms / n * n
		if this > ms {
			this -= n
		}
		return this, this + n
	}
	t := time.UnixMilli(ms).UTC()
	months := (t.Year()*12 + int(t.Month()) - 1) / p.months * p.months
	at := func(m int) int64 { return time.Date(m/12, time.Month(m%12+1), 1, 0, 0, 0, 0, time.UTC).UnixMilli() }
	return at(months), at(months + p.months)
}

func floor(e expression, p period) expression {
	return func(r *row) value {
		f, ok := e(r).number()
		if !ok {
			return value{}
		}
		this, _ := p.round(int64(f))
		return momentOf(this)
	}
}

func ceil(e expression, p period) expression {
	return func(r *row) value {
		f, ok := e(r).number()
		if !ok {
			return value{}
		}
		this, next := p.round(int64(f))
		if this == int64(f) {
			next = this
		}
		return momentOf(next)
	}
}
