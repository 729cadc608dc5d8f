package expression

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/api/dynamodb"
)

// request is what the steps of a script share: names, values and an item.
type request struct {
	Names        map[string]string
	Values, Item dynamodb.Item
}

// TestScripts runs testdata. `request` sets names, values and the item; the other
// commands parse each line as an expression of their kind and print what it comes
// to on the item.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var r request
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "request" {
				r = request{}
				if err := json.Unmarshal([]byte(d.Input), &r); err != nil {
					d.Fatalf(t, "%v", err)
				}
				return ""
			}
			var b strings.Builder
			for _, line := range strings.Split(d.Input, "\n") {
				b.WriteString(r.run(d.Cmd, line, d.HasArg("unused")) + "\n")
			}
			return b.String()
		})
	})
}

func (r request) run(command, text string, unused bool) string {
	s, err := NewScope(r.Names, r.Values)
	if err != nil {
		return problem(err)
	}
	out := ""
	switch command {
	case "scope":
	case "condition":
		var c *Condition
		if c, err = s.Condition(ConditionExpression, text); err == nil {
			out = fmt.Sprint(c.Matches(r.Item))
		}
	case "key":
		var c *Condition
		if c, err = s.Condition(KeyConditionExpression, text); err == nil {
			var keys map[string]KeyCondition
			keys, err = c.Keys()
			out = fmt.Sprint(keys)
		}
	case "projection":
		var p *Projection
		if p, err = s.Projection(text); err == nil {
			out = print(p.Apply(r.Item))
		}
	case "update":
		var u *Update
		if u, err = s.Update(text); err == nil {
			var it dynamodb.Item
			it, err = u.Apply(r.Item)
			out = print(it)
		}
	default:
		return "no command " + command
	}
	if err == nil && unused {
		err = s.Unused()
	}
	if err != nil {
		return problem(err)
	}
	return out
}

func print(it dynamodb.Item) string {
	b, _ := it.AppendJSON(nil)
	return string(b)
}

func problem(err error) string {
	return strings.TrimPrefix(err.Error(), "ValidationException: ")
}

func TestReservedWords(t *testing.T) {
	if len(reservedWords) != 573 || !reserved("year") || !reserved("Zone") || reserved("title") {
		t.Errorf("%d reserved words", len(reservedWords))
	}
}

func TestLimits(t *testing.T) {
	s, _ := NewScope(nil, dynamodb.Item{{Name: ":v", Value: dynamodb.Number("1")}})
	for text, want := range map[string]string{
		strings.Repeat("a", 4097):                          "Invalid ConditionExpression: Expression size has exceeded the maximum allowed size; expression size: 4097",
		"a=:v" + strings.Repeat(" or a=:v", 150):           "Invalid ConditionExpression: The expression contains too many operators; operator count: 301",
		"a in (" + strings.Repeat(":v,", 100) + ":v)":      "Invalid ConditionExpression: The IN operator is provided with too many operands; number of operands: 101",
		strings.Repeat("(", 4000):                          `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "("`,
		"a" + strings.Repeat("[1", 2000):                   `Invalid ConditionExpression: Syntax error; token: "[", near: "1[1"`,
		"a[99999999999999999999] = :v":                     "Invalid ConditionExpression: List index is not within the allowable range; index: [99999999999999999999]",
		"a in (" + strings.Repeat(":v,", 99) + ":v)":       "",
		"a=:v" + strings.Repeat(" or a=:v", 149) + "  \t ": "",
	} {
		_, err := s.Condition(ConditionExpression, text)
		got := ""
		if err != nil {
			got = problem(err)
		}
		if got != want {
			t.Errorf("%.40s: %q, want %q", text, got, want)
		}
	}
}

func TestHeads(t *testing.T) {
	s, _ := NewScope(map[string]string{"#x": "y.z"}, dynamodb.Item{{Name: ":v", Value: dynamodb.Number("1")}})
	c, err := s.Condition(FilterExpression, "b.c = :v and a < :v or size(#x) > :v and b.d[0] = :v")
	if err != nil || !slices.Equal(c.Heads(), []string{"a", "b", "y.z"}) || !slices.Equal(c.Nested(), []string{"b"}) {
		t.Errorf("%v %v %v", c.Heads(), c.Nested(), err)
	}
	u, err := s.Update("SET a.b = c ADD d :v")
	if err != nil || !slices.Equal(u.Heads(), []string{"a", "c", "d"}) || !slices.Equal(u.Changed(), []string{"a", "d"}) || !slices.Equal(u.Nested(), []string{"a"}) {
		t.Errorf("%v %v %v %v", u.Heads(), u.Changed(), u.Nested(), err)
	}
}

// A formula is a random condition in text, and as a plain function of three small
// numbers, of which those that are negative are absent.
type formula struct {
	text string
	eval func(x [3]int) bool
}

func random(r *rand.Rand, depth int) formula {
	if depth > 0 {
		switch r.IntN(4) {
		case 0:
			a, b := random(r, depth-1), random(r, depth-1)
			return formula{"(" + a.text + " AND " + b.text + ")", func(x [3]int) bool { return a.eval(x) && b.eval(x) }}
		case 1:
			a, b := random(r, depth-1), random(r, depth-1)
			return formula{"(" + a.text + " or " + b.text + ")", func(x [3]int) bool { return a.eval(x) || b.eval(x) }}
		case 2:
			a := random(r, depth-1)
			return formula{"(NOT " + a.text + ")", func(x [3]int) bool { return !a.eval(x) }}
		}
	}
	i, n, m := r.IntN(3), r.IntN(4), r.IntN(4)
	n, m = min(n, m), max(n, m)
	path, low, high := string(rune('a'+i)), fmt.Sprintf(":%d", n), fmt.Sprintf(":%d", m)
	leaves := []formula{
		{path + "=" + low, func(x [3]int) bool { return x[i] == n }},
		{path + " <> " + low, func(x [3]int) bool { return x[i] != n }},
		{low + " < " + path, func(x [3]int) bool { return x[i] > n }},
		{path + "<=" + low, func(x [3]int) bool { return x[i] >= 0 && x[i] <= n }},
		{path + " BETWEEN " + low + " and " + high, func(x [3]int) bool { return x[i] >= n && x[i] <= m }},
		{path + " in (" + low + "," + high + ")", func(x [3]int) bool { return x[i] == n || x[i] == m }},
		{"attribute_exists(" + path + ")", func(x [3]int) bool { return x[i] >= 0 }},
		{"attribute_not_exists(" + path + ")", func(x [3]int) bool { return x[i] < 0 }},
	}
	return leaves[r.IntN(len(leaves))]
}

// Random conditions mean what they say.
func TestAgainstReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var values dynamodb.Item
	for i := range 4 {
		values.Set(fmt.Sprintf(":%d", i), dynamodb.Number(fmt.Sprint(i)))
	}
	for range 3000 {
		f := random(r, 4)
		s, err := NewScope(nil, values)
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Condition(ConditionExpression, f.text)
		if err != nil {
			t.Fatalf("%s: %v", f.text, err)
		}
		for range 20 {
			x := [3]int{r.IntN(5) - 1, r.IntN(5) - 1, r.IntN(5) - 1}
			var it dynamodb.Item
			for i, n := range x {
				if n >= 0 {
					it.Set(string(rune('a'+i)), dynamodb.Number(fmt.Sprint(n)))
				}
			}
			if got := c.Matches(it); got != f.eval(x) {
				t.Fatalf("%s with %v: %v", f.text, x, got)
			}
		}
	}
}

// FuzzExpressions holds that no text makes a parser or an evaluation fail but with
// an error, and that an update leaves the item that it works on alone.
func FuzzExpressions(f *testing.F) {
	for _, s := range []string{"a = :s and (not b.c[0] between :n and :n or size(a) in (:n))", "SET a = if_not_exists(b, :n) + :n, l[3] = :s REMOVE #x ADD n :n DELETE s :ss",
		"a, b.c[0], #x", "begins_with(a, :s)", "((a = :s))", "SET l = list_append(l, :l)"} {
		f.Add(s)
	}
	r := request{Names: map[string]string{"#x": "b"}}
	if err := json.Unmarshal([]byte(`{":s":{"S":"x"},":n":{"N":"1"},":ss":{"SS":["a"]},":l":{"L":[{"S":"y"}]}}`), &r.Values); err != nil {
		f.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"a":{"S":"x"},"n":{"N":"5"},"s":{"SS":["a","b"]},"l":{"L":[{"N":"1"},{"M":{"k":{"L":[]}}}]},"b":{"M":{"c":{"L":[{"S":"z"}]}}}}`), &r.Item); err != nil {
		f.Fatal(err)
	}
	before := print(r.Item)
	f.Fuzz(func(t *testing.T, text string) {
		for _, command := range []string{"condition", "key", "projection", "update"} {
			r.run(command, text, true)
		}
		if print(r.Item) != before {
			t.Fatal("the item has changed")
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	values := dynamodb.Item{{Name: ":v", Value: dynamodb.Number("1")}}
	it := dynamodb.Item{{Name: "a", Value: dynamodb.Number("1")}}
	b.ReportAllocs()
	for b.Loop() {
		s, err := NewScope(nil, values)
		if err != nil {
			b.Fatal(err)
		}
		c, err := s.Condition(ConditionExpression, "attribute_exists(a) AND a >= :v")
		if err != nil || !c.Matches(it) {
			b.Fatal(err)
		}
	}
}
