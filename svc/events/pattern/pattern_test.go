package pattern

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestMatches holds patterns against events, alone and by an index.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, event string
		want           bool
	}{
		{`{"a":["x","y"]}`, `{"a":"y"}`, true},
		{`{"a":["x","y"]}`, `{"a":"z"}`, false},
		{`{"a":["x"]}`, `{"b":"x"}`, false},
		{`{"a":{"b":["x"]}}`, `{"a":{"b":"x","c":1}}`, true},
		{`{"a":["x"]}`, `{"a":["w","x"]}`, true},
		{`{"a":[1]}`, `{"a":"1"}`, false},
		{`{"a":[300]}`, `{"a":3.0e2}`, true},
		{`{"a":[0]}`, `{"a":-0.0}`, true},
		{`{"a":[123456789012345678901234567890]}`, `{"a":123456789012345678901234567890}`, true},
		{`{"a":[123456789012345678901234567890]}`, `{"a":123456789012345678901234567891}`, false},
		{`{"a":[true,null]}`, `{"a":null}`, true},
		{`{"a":[true]}`, `{"a":"true"}`, false},
		{`{"a":["caf\u00e9 \ud83d\ude00"]}`, `{"a":"café 😀"}`, true},
		{`{"a":[""]}`, `{"a":""}`, true},
		{`{"a":["10.0.0.1"]}`, `{"a":"10.0.0.1"}`, true},
		{`{"a":["::1"]}`, `{"a":"0:0:0:0:0:0:0:1"}`, true},
		{`{"a":[{"prefix":"ab"}]}`, `{"a":"abc"}`, true},
		{`{"a":[{"prefix":""}]}`, `{"a":5}`, false},
		{`{"a":[{"prefix":{"equals-ignore-case":"AB"}}]}`, `{"a":"aBc"}`, true},
		{`{"a":[{"suffix":"bc"}]}`, `{"a":"abc"}`, true},
		{`{"a":[{"suffix":{"equals-ignore-case":"BC"}}]}`, `{"a":"abc"}`, true},
		{`{"a":[{"equals-ignore-case":"ÄB"}]}`, `{"a":"äb"}`, true},
		{`{"a":[{"wildcard":"*/x/*.png"}]}`, `{"a":"a/x/b.png"}`, true},
		{`{"a":[{"wildcard":"*/x/*.png"}]}`, `{"a":"a/x/b.jpg"}`, false},
		{`{"a":[{"wildcard":"a*a"}]}`, `{"a":"a"}`, false},
		{`{"a":[{"wildcard":"\\*x*"}]}`, `{"a":"*xy"}`, true},
		{`{"a":[{"wildcard":"\\*x*"}]}`, `{"a":"yxy"}`, false},
		{`{"a":[{"wildcard":"x"}]}`, `{"a":"x"}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":null}`, true},
		{`{"a":[{"exists":true}]}`, `{"a":{"b":1}}`, false},
		{`{"a":[{"exists":true}]}`, `{"a":[]}`, false},
		{`{"a":[{"exists":false}]}`, `{"b":1}`, true},
		{`{"a":[{"exists":false}]}`, `{"a":1}`, false},
		{`{"a":[{"exists":false},"x"]}`, `{"a":"x"}`, true},
		{`{"a":[{"exists":false},"x"],"b":[1]}`, `{"b":1}`, true},
		{`{"a":[{"anything-but":"x"}]}`, `{"a":"y"}`, true},
		{`{"a":[{"anything-but":"x"}]}`, `{"a":1}`, true},
		{`{"a":[{"anything-but":"x"}]}`, `{"b":1}`, false},
		{`{"a":[{"anything-but":[1,2]}]}`, `{"a":2.0}`, false},
		{`{"a":[{"anything-but":{"prefix":["a","b"]}}]}`, `{"a":"bx"}`, false},
		{`{"a":[{"anything-but":{"suffix":"x"}}]}`, `{"a":"xa"}`, true},
		{`{"a":[{"anything-but":{"wildcard":"*x*"}}]}`, `{"a":"axa"}`, false},
		{`{"a":[{"anything-but":{"equals-ignore-case":["A"]}}]}`, `{"a":"a"}`, false},
		{`{"a":[{"anything-but":"x"}]}`, `{"a":["x","y"]}`, true},
		{`{"a":[{"numeric":["=",1]}]}`, `{"a":1.0}`, true},
		{`{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":5}`, true},
		{`{"a":[{"numeric":[">",0,"<=",5]}]}`, `{"a":0}`, false},
		{`{"a":[{"numeric":["<",10]}]}`, `{"a":"9"}`, false},
		{`{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.0.255"}`, true},
		{`{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":"10.0.1.0"}`, false},
		{`{"a":[{"cidr":"2001:db8::/32"}]}`, `{"a":"2001:db8::1"}`, true},
		{`{"a":[{"cidr":"0.0.0.0/0"}]}`, `{"a":"not an address"}`, false},
		{`{"$or":[{"a":[1]},{"b":[2]}]}`, `{"b":2}`, true},
		{`{"$or":[{"a":[1]},{"b":[2]}]}`, `{"a":2,"b":1}`, false},
		{`{"c":[3],"$or":[{"a":[1]},{"$or":[{"b":[2]},{"b":[4]}]}]}`, `{"b":4,"c":3}`, true},
		{`{"c":[3],"$or":[{"a":[1]},{"b":[2]}]}`, `{"b":2}`, false},
		{`{"a":["x"],"a":["y"]}`, `{"a":"x"}`, false}, // the last counts
		// What matches must not be of different elements of an array.
		{`{"a":{"b":[1],"c":[2]}}`, `{"a":[{"b":1,"c":3},{"b":1,"c":2}]}`, true},
		{`{"a":{"b":[1],"c":[4]}}`, `{"a":[{"b":1,"c":2},{"b":3,"c":4}]}`, false},
		{`{"a":{"b":[1]},"d":{"c":[4]}}`, `{"a":[{"b":1}],"d":[{"c":3},{"c":4}]}`, true},
		{`{"a":{"b":{"c":[1]},"d":[2]}}`, `{"a":[{"b":[{"c":0},{"c":1}],"d":2}]}`, true},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		e, err := ParseEvent(c.event)
		if err != nil {
			t.Errorf("%s: %v", c.event, err)
			continue
		}
		x := NewIndex()
		x.Put("p", p)
		if got, found := p.Matches(e), len(x.Match(e)) == 1; got != c.want || found != c.want {
			t.Errorf("%s and %s: %v, by the index %v", c.pattern, c.event, got, found)
		}
	}
}

// TestRefusals holds what is no pattern against AWS's words.
func TestRefusals(t *testing.T) {
	at := func(source string, column int) string {
		return fmt.Sprintf("\n at [Source: (String)\"%s\"; line: 1, column: %d]", source, column)
	}
	for pattern, want := range map[string]string{
		`[]`:                                     "Filter is not an object" + at(`[]`, 2),
		``:                                       "Filter is not an object" + at(``, 1),
		`{}`:                                     "Empty objects are not allowed" + at(`{}`, 3),
		`{"a":1}`:                                `"a" must be an object or an array` + at(`{"a":1}`, 7),
		`{"a":"x"}`:                              `"a" must be an object or an array` + at(`{"a":"x"}`, 7),
		`{"a":[]}`:                               "Empty arrays are not allowed" + at(`{"a":[]}`, 8),
		`{"a":[[1]]}`:                            "Match value must be String, number, true, false, or null" + at(`{"a":[[1]]}`, 8),
		`{"a":[{}]}`:                             "Match expression name not found" + at(`{"a":[{}]}`, 9),
		`{"a":[{"EXISTS": true}]}`:               "Unrecognized match type EXISTS" + at(`{"a":[{"EXISTS": true}]}`, 22),
		`{"a":[{"exists":null}]}`:                "exists match pattern must be either true or false." + at(`{"a":[{"exists":null}]}`, 21),
		`{"a":[{"prefix":1}]}`:                   "prefix match pattern must be a string" + at(`{"a":[{"prefix":1}]}`, 18),
		`{"a":[{"prefix":"x","suffix":"y"}]}`:    "Only one key allowed in match expression" + at(`{"a":[{"prefix":"x","suffix":"y"}]}`, 31),
		`{"a":[{"numeric":[">",1,">",2]}]}`:      "Bad numeric range operator: >" + at(`{"a":[{"numeric":[">",1,">",2]}]}`, 28),
		`{"a":[{"numeric":["<",1,">",2]}]}`:      "Too many elements in numeric expression" + at(`{"a":[{"numeric":["<",1,">",2]}]}`, 26),
		`{"a":[{"numeric":[">",2,"<",1]}]}`:      "Bottom must be less than top" + at(`{"a":[{"numeric":[">",2,"<",1]}]}`, 31),
		`{"a":[{"numeric":["=","1"]}]}`:          "Value of equals must be numeric" + at(`{"a":[{"numeric":["=","1"]}]}`, 24),
		`{"a":[{"cidr":"10.0.0.0"}]}`:            "Malformed CIDR, one '/' required",
		`{"a":[{"cidr":"10.0.0.0/32"}]}`:         "IPv4 mask bits must be < 32",
		`{"a":[{"cidr":"10.0.0/8"}]}`:            "Nonstandard IP address: 10.0.0",
		`{"a":[{"anything-but":{"x":"y"}}]}`:     "Unsupported anything-but pattern: x" + at(`{"a":[{"anything-but":{"x":"y"}}]}`, 29),
		`{"a":[{"anything-but":["x",1]}]}`:       "Inside anything but list, either all values are number or string, mixed type is not supported" + at(`{"a":[{"anything-but":["x",1]}]}`, 30),
		`{"a":[{"wildcard":"a**b"}]}`:            "Consecutive wildcard characters at pos 2" + at(`{"a":[{"wildcard":"a**b"}]}`, 25),
		`{"a":[{"wildcard":"a\\b"}]}`:            "Invalid escape character at pos 2" + at(`{"a":[{"wildcard":"a\\b"}]}`, 25),
		`{"a":[{"wildcard":"*:*:*:*:*:x/*"}]}`:   tooComplex,
		`{"$or":[{"a":[1]}]}`:                    "There must have at least 2 Objects in $or relationship." + at(`{"$or":[{"a":[1]}]}`, 19),
		`{"$or":[{"prefix":["a"]},{"b":["c"]}]}`: "prefix is Ruler reserved fieldName which cannot be used inside $or." + at(`{"$or":[{"prefix":["a"]},{"b":["c"]}]}`, 20),
		`nonsense`:                               "Unrecognized token 'nonsense': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')" + at(`nonsense`, 9),
		`{'a':1}`:                                "Unexpected character (''' (code 39)): was expecting double-quote to start field name" + at(`{'a':1}`, 3),
	} {
		_, err := Parse(pattern)
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", pattern, err, want)
		}
	}
}

// TestTime bounds what a pattern costs that matches almost.
func TestTime(t *testing.T) {
	var event, pattern strings.Builder
	event.WriteString(`{"k":0`)
	pattern.WriteString(`{"k":[0]`)
	for i := range 8 {
		fmt.Fprintf(&event, `,"a%d":[`, i)
		for j := range 300 {
			fmt.Fprintf(&event, `{"x":1,"y":%d},`, j%2)
		}
		event.WriteString(`{"x":2,"y":2}]`)
		fmt.Fprintf(&pattern, `,"a%d":{"x":[1],"y":[0,1]}`, i)
	}
	event.WriteString(`,"z":[{"x":1,"y":0},{"x":0,"y":1}]}`)
	pattern.WriteString(`,"z":{"x":[1],"y":[1]}}`) // fits each, and both in no element
	p, err := Parse(pattern.String())
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEvent(event.String())
	if err != nil {
		t.Fatal(err)
	}
	if p.Matches(e) {
		t.Error("it matches")
	}
}

// TestIndex lets patterns come and go, and finds the same as asking each.
func TestIndex(t *testing.T) {
	x, all := NewIndex(), map[string]*Pattern{}
	put := func(name, text string) {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		x.Put(name, p)
		all[name] = p
	}
	for i := range 500 {
		name := fmt.Sprint(i)
		switch i % 8 {
		case 0:
			put(name, fmt.Sprintf(`{"s":["app"],"d":{"id":[%d]}}`, i))
		case 1:
			put(name, fmt.Sprintf(`{"s":["app"],"d":{"id":[{"numeric":[">=",%d]}]}}`, i))
		case 2:
			put(name, fmt.Sprintf(`{"d":{"t":[{"prefix":"p%d"}]}}`, i%20))
		case 3:
			put(name, fmt.Sprintf(`{"d":{"t":[{"suffix":"%d"},{"equals-ignore-case":"P%d"}]}}`, i%10, i))
		case 4:
			put(name, fmt.Sprintf(`{"s":["app"],"d":{"t":[{"anything-but":"p%d"}],"none":[{"exists":false}]}}`, i))
		case 5:
			put(name, fmt.Sprintf(`{"$or":[{"d":{"id":[%d]}},{"d":{"ip":[{"cidr":"10.0.%d.0/24"}]}}]}`, i, i%256))
		case 6:
			put(name, fmt.Sprintf(`{"d":{"t":[{"wildcard":"p*%d"}]}}`, i%10))
		default:
			put(name, `{"none":[{"exists":false}]}`)
		}
	}
	check := func() {
		t.Helper()
		for i := range 60 {
			e, err := ParseEvent(fmt.Sprintf(`{"s":"app","d":{"id":%d,"t":"p%d","ip":"10.0.%d.7"}}`, i*8, i, i))
			if err != nil {
				t.Fatal(err)
			}
			got, want := x.Match(e), []string{}
			for name, p := range all {
				if p.Matches(e) {
					want = append(want, name)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("event %d: %v, want %v", i, got, want)
			}
		}
	}
	check()
	for i := range 500 {
		if name := fmt.Sprint(i); i%3 == 0 {
			x.Delete(name)
			delete(all, name)
		} else if i%3 == 1 {
			put(name, fmt.Sprintf(`{"d":{"id":[%d]}}`, i))
		}
	}
	check()
	for name := range all {
		x.Delete(name)
		delete(all, name)
	}
	if x.Len() != 0 || len(x.paths) != 0 || len(x.always) != 0 {
		t.Errorf("something is left: %d, %v, %v", x.Len(), x.paths, x.always)
	}
}

// FuzzMatch holds the index against asking each, for whatever comes.
func FuzzMatch(f *testing.F) {
	for _, p := range []string{`{"a":["x",{"prefix":"y"}],"b":{"c":[{"numeric":[">",1,"<",5]}]}}`, `{"$or":[{"a":[{"exists":false}]},{"b":[{"anything-but":["x"]}]}]}`,
		`{"a":[{"wildcard":"*x*"},{"suffix":{"equals-ignore-case":"z"}},{"cidr":"::/1"}]}`, `{"a":[{"anything-but":{"wildcard":["a*","\\*"]}}]}`, `{"a":[1e400,"\ud800",null]}`} {
		f.Add(p, `{"a":["x","yz"],"b":{"c":3}}`)
		f.Add(p, `{"a":[{"b":[1,[2]]},{"b":"::1"}],"b":null}`)
	}
	f.Fuzz(func(t *testing.T, pattern, event string) {
		e, err := ParseEvent(event)
		if err != nil {
			e = &Event{}
		}
		p, err := Parse(pattern)
		if err != nil {
			if _, ok := err.(*Error); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		x := NewIndex()
		x.Put("p", p)
		if want := p.Matches(e); (len(x.Match(e)) == 1) != want {
			t.Errorf("%s and %s: %v, and not by the index", pattern, event, want)
		}
	})
}
