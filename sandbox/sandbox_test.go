package sandbox

import "testing"

func TestHello(t *testing.T) {
	h := openHost(t)
	t.Log(h.Features())
	if r := run(t, h, payload(t, "hello", "hello")); r.out != "hello\n" || r.exit != (Exit{}) {
		t.Error(r)
	}
}
