package vtl_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/tule-cloud/tule/vtl"
	"github.com/tule-cloud/tule/vtl/value"
)

// canceller is a host value that ends its own context when it is called.
type canceller struct{ cancel func() }

func (c canceller) Call(*value.Meter, string, []any) (any, error) {
	c.cancel()
	return "", nil
}

func TestCancelEndsALoop(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tm, err := vtl.Parse("t", "#foreach($i in [1..100000])$c.stop()#end")
	if err != nil {
		t.Fatal(err)
	}
	var w bytes.Buffer
	err = tm.Execute(ctx, &w, vtl.Vars{"c": canceller{cancel}}, vtl.Limits{})
	if !errors.Is(err, context.Canceled) || w.Len() > 0 {
		t.Fatalf("got %v and %d bytes", err, w.Len())
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, c := range []struct {
		text      string
		line, col int
		limit     bool
	}{
		{"a\nb #if($x", 2, 9, false},
		{"#set($x = \"a\n $list.get(7)\")", 2, 7, false},
		{"\n\n  $list[7]", 3, 8, false},
		{"#foreach($i in [1..30000])x#end", 1, 1, true},
		{"line\n#foreach($i in [1..2000])#foreach($j in [1..2000])#end#end", 2, 26, true},
		{"#macro(m)\n#m()#end\n#m()", 2, 1, true},
	} {
		_, err := render(c.text, vtl.Vars{"list": value.NewList(value.ArrayList)}, vtl.Limits{Steps: 50_000})
		var e *vtl.Error
		if !errors.As(err, &e) {
			t.Errorf("%q: got %v", c.text, err)
			continue
		}
		if e.Line != c.line || e.Col != c.col || e.Name != "t" || errors.Is(err, vtl.ErrLimit) != c.limit {
			t.Errorf("%q: got %v (limit %v), want line %d, column %d", c.text, err, errors.Is(err, vtl.ErrLimit), c.line, c.col)
		}
	}
}

func TestVarsAreNotChanged(t *testing.T) {
	vars := vtl.Vars{"x": "old"}
	got, err := render("#set($x = 'new')#set($y = 1)$x$y", vars, vtl.Limits{})
	if err != nil || got != "new1" {
		t.Fatalf("got %q, %v", got, err)
	}
	if len(vars) != 1 || vars["x"] != "old" {
		t.Fatalf("vars became %v", vars)
	}
}

func TestWriterErrorIsReturned(t *testing.T) {
	tm, err := vtl.Parse("t", "x")
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	r.Close()
	if err := tm.Execute(context.Background(), w, nil, vtl.Limits{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("got %v", err)
	}
}

// TestConcurrentUse runs one template with macros of its own and of #evaluate in
// many goroutines: run it with -race.
func TestConcurrentUse(t *testing.T) {
	tm, err := vtl.Parse("t", "#macro(a $x)<$x>#end#evaluate('#macro(b)B#end')#a($v)#b()#define($d)$v#end$d#foreach($i in [1..9])$i#end")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			v := strings.Repeat("v", i)
			var w bytes.Buffer
			if err := tm.Execute(context.Background(), &w, vtl.Vars{"v": v}, vtl.Limits{}); err != nil {
				t.Error(err)
			}
			if want := "<" + v + ">B" + v + "123456789"; w.String() != want {
				t.Errorf("got %q, want %q", w.String(), want)
			}
		})
	}
	wg.Wait()
}

func TestGoValues(t *testing.T) {
	got, err := render("$n $big $l $m.k $m.x.y $f $u.z", vtl.Vars{
		"n": 5, "big": 1 << 40, "l": []any{1, "a", nil}, "f": float32(0.5),
		"m": map[string]any{"k": []string{"a"}, "x": map[string]string{"y": "z"}},
		"u": struct{ A int }{3},
	}, vtl.Limits{})
	if want := "5 1099511627776 [1, a, null] [a] z 0.5 $u.z"; err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

// TestLargeTextFits works on a text of the size of API Gateway's largest payload.
func TestLargeTextFits(t *testing.T) {
	big := strings.Repeat("0123456789", 1<<20-1)
	got, err := render("#set($x = $big.replace('9', '8'))$x", vtl.Vars{"big": big}, vtl.Limits{})
	if err != nil || len(got) != len(big) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
}
