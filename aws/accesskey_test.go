package aws

import (
	"crypto/rand"
	"strings"
	"testing"
)

func TestAccessKeyID(t *testing.T) {
	for _, account := range []string{"000000000000", "000000000001", "111111111111", "123456789012", "999999999999"} {
		id := NewAccessKeyID(rand.Reader, "ASIA", account)
		if len(id) != 20 || !strings.HasPrefix(id, "ASIA") {
			t.Errorf("%s: %s", account, id)
		}
		if got, ok := AccountOfKey(id); !ok || got != account {
			t.Errorf("%s is of %s, want %s", id, got, account)
		}
	}
	for _, id := range []string{"", "test", "AKIA", "AKIAIOSFODNN7EXAMPLE", "LKIA0000000000000000", "AKIA7777777777777777"} {
		if got, ok := AccountOfKey(id); ok {
			t.Errorf("%q is of %s", id, got)
		}
	}
}
