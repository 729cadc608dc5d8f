package policy

import (
	"strconv"
	"strings"
)

// Parse reads a document. It checks the grammar (what elements there are, their
// JSON types, their known values), not what a kind of document may say: that is
// Validate. The error is always an *Error.
func Parse(text string) (*Document, error) {
	if len(text) > MaxDocument {
		return nil, &Error{Message: syntaxMessage, Detail: "longer than " + strconv.Itoa(MaxDocument) + " bytes", TooLarge: true}
	}
	root, err := readJSON(text)
	if err != nil {
		return nil, err.locate(text)
	}
	p := parser{doc: &Document{Version: Version2008, text: text}}
	p.document(root)
	if p.err != nil {
		return nil, p.err.locate(text)
	}
	for i := range p.doc.Statements {
		p.doc.Statements[i].Index = i
	}
	return p.doc, nil
}

// parser turns JSON into a Document. The first error stands.
type parser struct {
	doc *Document
	err *Error
}

func (p *parser) fail(offset int, detail string) {
	if p.err == nil {
		p.err = syntaxError(offset, detail)
	}
}

func (p *parser) document(root node) {
	if root.kind != nodeObject {
		p.fail(root.offset, "a policy is an object")
		return
	}
	found := false
	for _, m := range root.members {
		switch m.name {
		case "Version":
			p.version(m.value)
		case "Id":
			p.doc.ID = p.text(m.value, "Id")
		case "Statement":
			found = true
			p.statements(m.value)
		default:
			p.fail(m.offset, "unknown element "+strconv.Quote(m.name))
		}
	}
	if !found {
		p.fail(root.offset, "no Statement")
	}
}

func (p *parser) version(n node) {
	v := p.text(n, "Version")
	if v != Version2008 && v != Version2012 {
		p.fail(n.offset, "unknown Version "+strconv.Quote(v))
	}
	p.doc.Version, p.doc.hasVersion, p.doc.versionStart = v, true, n.offset
}

func (p *parser) text(n node, what string) string {
	if n.kind != nodeString {
		p.fail(n.offset, what+" must be a string")
	}
	return n.text
}

func (p *parser) statements(n node) {
	items := n.items
	switch n.kind {
	case nodeObject:
		items = []node{n}
	case nodeList:
		if len(items) == 0 {
			p.fail(n.offset, "Statement is empty")
		}
	default:
		p.fail(n.offset, "Statement must be an object or a list of objects")
	}
	for _, item := range items {
		if item.kind != nodeObject {
			p.fail(item.offset, "a statement is an object")
			return
		}
		p.doc.Statements = append(p.doc.Statements, p.statement(item))
	}
}

func (p *parser) statement(n node) Statement {
	s := Statement{Offset: n.offset, End: n.end}
	for _, m := range n.members {
		switch m.name {
		case "Sid":
			s.Sid, s.HasSid = p.text(m.value, "Sid"), true
		case "Effect":
			s.Effect = p.effect(m.value)
		case "Principal", "NotPrincipal":
			p.once(s.Principals != nil, m)
			s.NotPrincipal = m.name == "NotPrincipal"
			s.Principals = p.principals(m.value, m.name)
		case "Action", "NotAction":
			p.once(s.Actions != nil, m)
			s.NotAction = m.name == "NotAction"
			s.Actions = p.strings(m.value, m.name)
		case "Resource", "NotResource":
			p.once(s.Resources != nil, m)
			s.NotResource = m.name == "NotResource"
			s.Resources = p.strings(m.value, m.name)
		case "Condition":
			s.Conditions = p.conditions(m.value)
		default:
			p.fail(m.offset, "unknown element "+strconv.Quote(m.name))
		}
	}
	if s.Effect == 0 && p.err == nil {
		p.fail(n.offset, "no Effect")
	}
	return s
}

// once refuses the second of X and NotX.
func (p *parser) once(seen bool, m member) {
	if seen {
		name := strings.TrimPrefix(m.name, "Not")
		p.fail(m.offset, "both "+name+" and Not"+name)
	}
}

func (p *parser) effect(n node) Effect {
	switch v := p.text(n, "Effect"); {
	case v == "Allow":
		return Allow
	case v == "Deny":
		return Deny
	case strings.EqualFold(v, "Allow"), strings.EqualFold(v, "Deny"):
		p.fail(n.offset, "Effect is case-sensitive")
		p.err.Message = legacyMessage
	default:
		p.fail(n.offset, "Effect must be Allow or Deny")
	}
	return 0
}

// strings reads a string or a list of strings. The result is never nil.
func (p *parser) strings(n node, what string) []string {
	if n.kind == nodeString {
		return []string{n.text}
	}
	if n.kind != nodeList {
		p.fail(n.offset, what+" must be a string or a list of strings")
	}
	list := make([]string, 0, len(n.items))
	for _, item := range n.items {
		list = append(list, p.text(item, what))
	}
	return list
}

func (p *parser) principals(n node, what string) []PrincipalEntry {
	entries := []PrincipalEntry{}
	if n.kind == nodeString {
		if n.text != "*" {
			p.fail(n.offset, what+` must be "*" or an object`)
		}
		return append(entries, PrincipalEntry{"AWS", "*"})
	}
	if n.kind != nodeObject || len(n.members) == 0 {
		p.fail(n.offset, what+` must be "*" or an object`)
	}
	for _, m := range n.members {
		switch m.name {
		case "AWS", "Service", "Federated", "CanonicalUser":
		default:
			p.fail(m.offset, "unknown kind of principal "+strconv.Quote(m.name))
		}
		for _, v := range p.strings(m.value, m.name) {
			entries = append(entries, PrincipalEntry{m.name, v})
		}
	}
	return entries
}

func (p *parser) conditions(n node) []Condition {
	list := []Condition{}
	if n.kind != nodeObject {
		p.fail(n.offset, "Condition must be an object")
	}
	for _, op := range n.members {
		if _, ok := parseOperator(op.name); !ok && len(op.value.members) > 0 {
			p.fail(op.offset, "unknown operator "+strconv.Quote(op.name))
		}
		if op.value.kind != nodeObject {
			p.fail(op.value.offset, op.name+" must be an object")
		}
		seen := map[string]bool{}
		for _, key := range op.value.members {
			lower := strings.ToLower(key.name)
			if seen[lower] {
				p.fail(key.offset, "duplicate condition key "+strconv.Quote(key.name))
			}
			seen[lower] = true
			list = append(list, Condition{Operator: op.name, Key: key.name, Values: p.conditionValues(key.value)})
		}
	}
	return list
}

// conditionValues reads a string, number or bool, or a list of them, as text.
func (p *parser) conditionValues(n node) []string {
	items := n.items
	if n.kind != nodeList {
		items = []node{n}
	}
	values := make([]string, 0, len(items))
	for _, item := range items {
		switch item.kind {
		case nodeString, nodeNumber, nodeBool:
			values = append(values, item.text)
		default:
			p.fail(item.offset, "a condition's value must be a string, a number or a boolean")
		}
	}
	return values
}
