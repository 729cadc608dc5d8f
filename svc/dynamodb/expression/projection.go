package expression

import (
	"github.com/tule-cloud/tule/api/dynamodb"
)

// A Projection is a projection expression: paths that an answer is cut down to.
type Projection struct {
	paths []Path
}

// Projection parses a projection expression.
func (s *Scope) Projection(text string) (*Projection, error) {
	p, err := s.parse(ProjectionExpression, text, nil, func(p *parser) {
		for p.readPath(); p.accept(','); p.readPath() {
		}
	})
	if err != nil {
		return nil, err
	}
	overlaps, conflicts := overlap(p.paths)
	for _, problem := range []string{p.reserved, p.unknownName, overlaps, conflicts} {
		if problem != "" {
			return nil, ProjectionExpression.invalid(problem)
		}
	}
	return &Projection{paths: p.paths}, nil
}

// Attributes is the projection to top-level attributes.
func Attributes(names []string) *Projection {
	p := &Projection{}
	for _, n := range names {
		p.paths = append(p.paths, Name(n))
	}
	return p
}

// Heads are the top-level attributes that the projection keeps something of, sorted.
func (p *Projection) Heads() []string { return heads(p.paths) }

// Nested are the top-level attributes into which the projection's paths lead.
func (p *Projection) Nested() []string { return nested(p.paths) }

// Apply is what the projection keeps of an item. A nil projection keeps all.
func (p *Projection) Apply(it dynamodb.Item) dynamodb.Item {
	if p == nil {
		return it
	}
	var t tree
	for _, path := range p.paths {
		t.at(path)
	}
	out, _ := t.pick(it)
	return out
}
