package aws

import "testing"

func TestCanonicalUser(t *testing.T) {
	a, b, c := CanonicalUser("000000000000"), CanonicalUser("111111111111"), CanonicalUser("222222222222")
	if len(a) != 64 || len(b) != 64 || a == b || b == c || b != CanonicalUser("111111111111") {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}
