package iam

import (
	"strings"
	"testing"
)

// Each policy of a task is one that can be turned round; others can not, and so would deny
// everything.
func TestTurnRound(t *testing.T) {
	tasks := 0
	for arn, p := range newCatalog() {
		if !strings.Contains(arn, ":policy/root-task/") {
			continue
		}
		tasks++
		text := turnRound(p.inForce().Document)
		if !strings.HasPrefix(text, `{"Statement":[{"Effect":"Deny","NotAction":["`) || strings.Contains(text, "Allow") {
			t.Errorf("%s: %q", arn, text)
		}
	}
	if tasks != 5 {
		t.Errorf("%d tasks", tasks)
	}
	for _, text := range []string{``, `{}`, `{"Statement":[]}`, `{"Statement":[{"Effect":"Deny","Action":["s3:*"],"Resource":"*"}]}`,
		`{"Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"arn:aws:s3:::b"}]}`, `{"Statement":[{"Effect":"Allow","NotAction":["s3:*"],"Resource":"*"}]}`,
		`{"Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`} {
		if got := turnRound(text); got != "" {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}
