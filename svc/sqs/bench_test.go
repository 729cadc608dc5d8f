package sqs

import (
	"strings"
	"testing"
)

// BenchmarkTurn is a message sent, received and deleted, by many at once, in memory.
func BenchmarkTurn(b *testing.B) {
	y := newYard(b, "q", nil)
	text := strings.Repeat("x", 900)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			y.send(y.url, text, "")
			for _, m := range y.receive(y.url, 1, 0) {
				y.remove(y.url, *m.ReceiptHandle)
			}
		}
	})
}
