package sieve

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// lines are like a server's, half of them chance.
func lines(chance *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "INFO request %016x%016x GET /songs/%d status=%d took=%dms from 10.%d.%d.%d\n", chance.Uint64(), chance.Uint64(),
			chance.IntN(1e6), 200+chance.IntN(4)*100, chance.IntN(2000), chance.IntN(256), chance.IntN(256), chance.IntN(256))
	}
	return b.String()
}

// TestWhatIsThereFallsThrough looks for parts of texts of many sizes in their sieves.
func TestWhatIsThereFallsThrough(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for size := range 200 {
		text := lines(chance, size*97)
		s := Of([]byte(text))
		if len(s) > max(1, len(text)/share*2) || len(s)&(len(s)-1) != 0 {
			t.Fatalf("the sieve of %d bytes has %d", len(text), len(s))
		}
		for range 50 {
			from := chance.IntN(len(text) + 1)
			part := text[from : from+chance.IntN(min(40, len(text)-from+1))]
			if !For(part).May(s) {
				t.Fatalf("%q is in the text, and not let through", part)
			}
		}
	}
}

// TestWhatIsNotThere counts how many of 200 texts are read in vain.
func TestWhatIsNotThere(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	var sieves [][]byte
	for range 200 {
		sieves = append(sieves, Of([]byte(lines(chance, 64<<10))))
	}
	for _, c := range []struct {
		what string
		most int
	}{
		{"no-such-thing", 0}, {"ERROR", 10}, {"OutOfMemory", 0}, {"status=599", 20},
		{"0123456789abcdef0123456789abcdef", 40}, // an id: its short parts are everywhere
		{"12", 200}, {"", 200},                   // too short to tell
	} {
		n := 0
		for _, s := range sieves {
			if For(c.what).May(s) {
				n++
			}
		}
		t.Logf("%q: %d", c.what, n)
		if n > c.most {
			t.Errorf("%q: %d of %d texts are read in vain, want %d at most", c.what, n, len(sieves), c.most)
		}
	}
}

func TestSievesOfWrongSizesLetAllThrough(t *testing.T) {
	for _, size := range []int{0, 3, 100} {
		if !For("anything").May(make([]byte, size)) {
			t.Errorf("one of %d bytes", size)
		}
	}
}

func FuzzSieve(f *testing.F) {
	f.Add("before ", "what is looked for", " behind")
	f.Add("", "", "")
	f.Fuzz(func(t *testing.T, before, text, behind string) {
		if !For(text).May(Of([]byte(before + text + behind))) {
			t.Errorf("%q is not let through", text)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	text := []byte(lines(rand.New(rand.NewPCG(1, 2)), 64<<10))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Of(text)
	}
}
