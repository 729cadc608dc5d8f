package policy

import "strconv"

// Document is a parsed policy, as written: every list form made a list, nothing
// interpreted, nothing lost but white space.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type Document struct {
	Version    string // Version2008 or Version2012; Version2008 if not written
	ID         string
	Statements []Statement

	text         string
	hasVersion   bool
	versionStart int
}

// Position is the line and the column, both from 1 and the latter in bytes, of an
// offset in the text.
func (d *Document) Position(offset int) (line, column int) { return position(d.text, offset) }

// Text is the document as it was given to Parse.
func (d *Document) Text() string { return d.text }

// Effect is Allow or Deny.
type Effect uint8

// The effects. The zero Effect is neither.
const (
	Allow Effect = iota + 1
	Deny
)

// String is the effect as a policy writes it.
func (e Effect) String() string {
	switch e {
	case Allow:
		return "Allow"
	case Deny:
		return "Deny"
	}
	return "None"
}

// Statement is one statement. Of each pair (Principal or NotPrincipal, and so
// on) at most one is written; the Not flag says which. A nil list was not
// written, an empty one was written empty.
type Statement struct {
	Sid    string
	HasSid bool
	Effect Effect

	Principals   []PrincipalEntry
	NotPrincipal bool
	Actions      []string
	NotAction    bool
	Resources    []string
	NotResource  bool
	Conditions   []Condition

	Index  int // in the document, from 0
	Offset int // of the statement's first byte in the text
	End    int // of the byte after its last
}

// Name is the statement's Sid, or its number from 1 for want of one.
func (s *Statement) Name() string {
	if s.Sid != "" {
		return s.Sid
	}
	return "statement " + strconv.Itoa(s.Index+1)
}

// PrincipalEntry is one name under Principal or NotPrincipal: a type (AWS,
// Service, Federated, CanonicalUser) and a value. Principal "*" is {AWS, "*"}.
type PrincipalEntry struct {
	Type, Value string
}

// Condition is one line of a Condition block: all of a statement's conditions
// must hold, any one of a condition's values may match.
type Condition struct {
	Operator string // as written, e.g. "ForAnyValue:StringLikeIfExists"
	Key      string // as written
	Values   []string
}
