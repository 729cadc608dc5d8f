// Package pattern is the language of CloudWatch Logs' filter patterns.
package pattern

import "strings"

// A Pattern says which messages are wanted.
type Pattern struct{ terms []string }

// Parse reads a pattern.
func Parse(text string) (*Pattern, error) {
	return &Pattern{strings.Fields(strings.ReplaceAll(text, `"`, ""))}, nil
}

// Match reports whether message is wanted.
func (p *Pattern) Match(message string) bool {
	for _, t := range p.terms {
		if !strings.Contains(message, t) {
			return false
		}
	}
	return true
}
