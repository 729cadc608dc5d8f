package policy

import (
	"strconv"
	"strings"
)

// Rules say what a document may be in the place it is meant for.
type Rules struct {
	Kind Kind
	// MaxSize is the longest text allowed, in characters; 0 is no limit of its own.
	MaxSize int
	// IgnoreSpace leaves white space out of the count, as IAM does.
	IgnoreSpace bool
	// Require2012 refuses the older language version, as IAM does for managed policies.
	Require2012 bool
}

// Validate checks what a document of some kind may say, in the order AWS reports
// it, with AWS's MalformedPolicyDocument texts. The error is always an *Error.
func (d *Document) Validate(r Rules) error {
	if size := d.size(r.IgnoreSpace); r.MaxSize > 0 && size > r.MaxSize {
		return &Error{
			Message:  "Cannot exceed quota for PolicySize: " + strconv.Itoa(r.MaxSize),
			Detail:   strconv.Itoa(size) + " characters",
			TooLarge: true,
		}
	}
	v := validator{doc: d, rules: r}
	if r.Require2012 && d.Version != Version2012 {
		v.fail(d.versionStart, "Policy document must be version 2012-10-17 or greater.")
	}
	for _, check := range []func(*Statement){v.legacy, v.sid, v.principal, v.action, v.resource, v.resources, v.actions} {
		for i := range d.Statements {
			check(&d.Statements[i])
		}
	}
	if v.err != nil {
		return v.err.locate(d.text)
	}
	return nil
}

// size counts characters, without white space if asked to.
func (d *Document) size(ignoreSpace bool) int {
	n := 0
	for _, r := range d.text {
		if !ignoreSpace || !strings.ContainsRune(" \t\r\n", r) {
			n++
		}
	}
	return n
}

// validator keeps the first error.
type validator struct {
	doc   *Document
	rules Rules
	sids  map[string]bool
	err   *Error
}

func (v *validator) fail(offset int, message string) {
	if v.err == nil {
		v.err = &Error{Message: message, offset: offset}
	}
}

// legacy refuses what AWS finds in its "legacy parsing", before all else: dates
// that are none, ARNs cut short.
func (v *validator) legacy(s *Statement) {
	for _, r := range s.Resources {
		if resourceFault(r) == legacyMessage {
			v.fail(s.Offset, legacyMessage)
		}
	}
	for _, c := range s.Conditions {
		op, _ := parseOperator(c.Operator)
		if op.base < opDateEquals || op.base > opDateGreaterEquals {
			continue
		}
		for _, value := range c.Values {
			if _, ok := parseDate(value); !ok {
				v.fail(s.Offset, legacyMessage)
			}
		}
	}
}

func (v *validator) sid(s *Statement) {
	for i := 0; i < len(s.Sid); i++ {
		c := s.Sid[i]
		if (c < '0' || c > '9') && (lower(c) < 'a' || lower(c) > 'z') && v.strictSid() {
			v.fail(s.Offset, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
		}
	}
	if s.Sid == "" {
		return
	}
	if v.sids == nil {
		v.sids = map[string]bool{}
	}
	if v.sids[s.Sid] {
		v.fail(s.Offset, "Statement IDs (SID) in a single policy must be unique.")
	}
	v.sids[s.Sid] = true
}

// strictSid: services that keep resource policies take any Sid.
func (v *validator) strictSid() bool { return v.rules.Kind != Resource }
