package search

import (
	"strings"
	"testing"
)

var shop = Metric{"AWS/Lambda", "ConcurrentExecutions", [][2]string{{"FunctionName", "shop-checkoutWorker"}}}

func TestSearch(t *testing.T) {
	for expression, want := range map[string]bool{
		"":           true,
		"concurrent": true, "executions": true, "ConcurrentExecutions": true, "Concur": false,
		"worker shop": true, "worker AND shop": true, "worker absent": false, "worker OR absent": true,
		"NOT worker": false, "worker NOT absent": true,
		`"ConcurrentExecutions"`: true, `"Concurrent"`: false, `"shop-checkoutWorker"`: true,
		`MetricName="ConcurrentExecutions"`: true, `MetricName="Errors"`: false, "MetricName=concurrent": true,
		`Namespace="AWS/Lambda"`: true, "Namespace=lambda": true,
		"FunctionName=shop": true, `FunctionName="shop"`: false, "Other=shop": false,
		`MetricName=("Errors" OR "ConcurrentExecutions")`: true, "FunctionName=(shop AND absent)": false,
		"(worker OR absent) (lambda OR absent)": true,
		"{AWS/Lambda,FunctionName}":             true, `{"AWS/Lambda", "FunctionName"} worker`: true,
		"{AWS/Lambda}": false, "{AWS/Lambda,FunctionName,Resource}": false, "{AWS/SQS,FunctionName}": false,
		"{AWS/Lambda,FunctionName} absent": false,
		":aws.AccountId=111111111111":      true,
	} {
		e, err := Parse(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		} else if got := e.Match(shop); got != want {
			t.Errorf("%s: %v, want %v", expression, got, want)
		}
	}
}

func TestWrongSearch(t *testing.T) {
	for _, expression := range []string{"{", "{}", "{a", "{a,}", "{a b}", `"x`, "(a", "a)", "a =", "= a", "NOT", "a OR", strings.Repeat("(", 50), strings.Repeat("a ", 600)} {
		if _, err := Parse(expression); err == nil {
			t.Errorf("%s was understood", expression)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{AWS/Lambda,"Function Name"} MetricName=("a" OR b) NOT c`, "((a))", `x="y" :aws.AccountId = z`, "NOT NOT a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if e, err := Parse(s); err == nil {
			e.Match(shop)
		}
	})
}
