package plan

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

var sample = []Op{
	{Kind: Slave},
	{Kind: Root, A: "/data/root", N: 32 << 20},
	{Kind: Bind, A: "/usr", B: "/usr", N: Optional | NoExec},
	{Kind: File, A: "/etc/hosts", B: "127.0.0.1 localhost\n", N: 0o644},
	{Kind: Limit, N: 7, M: 1024, K: 1 << 63},
	{Kind: Exec, N: 2},
}

func TestRoundTrip(t *testing.T) {
	got, err := Decode(Append(nil, sample))
	if err != nil || !reflect.DeepEqual(got, sample) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := Decode(Append(nil, nil)); err != nil || len(got) != 0 {
		t.Errorf("an empty plan: %v, %v", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := Append(nil, sample)
	for n := range whole {
		if _, err := Decode(whole[:n]); err == nil {
			t.Errorf("took the first %d bytes of %d for a plan", n, len(whole))
		}
	}
	for name, b := range map[string][]byte{
		"trailing bytes":  append(bytes.Clone(whole), 0),
		"kind 0":          Append(nil, []Op{{Kind: Invalid}}),
		"unknown kind":    Append(nil, []Op{{Kind: last}}),
		"too many":        {0xff, 0xff, 0xff, 0x7f},
		"a string beyond": {1, byte(Arg), 200, 'x'},
		"endless number":  bytes.Repeat([]byte{0xff}, 20),
	} {
		if ops, err := Decode(b); err == nil {
			t.Errorf("%s: %v", name, ops)
		}
	}
}

func TestString(t *testing.T) {
	var b strings.Builder
	for _, o := range append(sample, Op{Kind: 200}) {
		b.WriteString(o.String() + "\n")
	}
	want := "slave\nroot /data/root 33554432\nbind /usr /usr 6\nfile /etc/hosts <20 bytes> 0644\n" +
		"limit 7 1024 0x8000000000000000\nexec 2\nkind 200\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if len(names) != int(last) {
		t.Errorf("%d names for %d kinds", len(names), last)
	}
}

func TestFrame(t *testing.T) {
	f := Frame{FrameExit, 3, 1<<32 - 1}
	if got := ParseFrame(f.Encode()); got != f {
		t.Error(got)
	}
}

// What decodes is written again as the same plan, and nothing makes Decode panic or grow.
func FuzzDecode(f *testing.F) {
	f.Add(Append(nil, sample))
	f.Add([]byte{1, byte(Arg), 1, 'x', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		ops, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Decode(Append(nil, ops))
		if err != nil || !reflect.DeepEqual(again, ops) {
			t.Errorf("%v became %v, %v", ops, again, err)
		}
	})
}
