package policy

import (
	"fmt"
	"strings"
)

// String is the explanation as text: the decision, then each policy with its
// statements, a line each.
func (x Explanation) String() string {
	var b strings.Builder
	b.WriteString(x.Decision.String() + "\n")
	for _, p := range x.Policies {
		fmt.Fprintf(&b, "%s %s", p.Kind, p.ID)
		if p.Kind == ServiceControl || p.Kind == ResourceControl {
			fmt.Fprintf(&b, ", level %d", p.Level)
		}
		b.WriteByte('\n')
		for _, s := range p.Statements {
			b.WriteString("  " + s.String() + "\n")
		}
	}
	if len(x.MissingKeys) > 0 {
		b.WriteString("not in the request: " + strings.Join(x.MissingKeys, ", ") + "\n")
	}
	return b.String()
}

// String is one line: what the statement is, and that it applies or what did not
// match.
func (r StatementResult) String() string {
	name := r.Statement.Name()
	if r.Applies {
		return fmt.Sprintf("%s (%s): applies", name, r.Statement.Effect)
	}
	var not []string
	if !r.Principal {
		not = append(not, "principal")
	}
	if !r.Action {
		not = append(not, "action")
	}
	if !r.Resource {
		not = append(not, "resource")
	}
	for _, c := range r.Conditions {
		if !c.Held {
			not = append(not, c.String())
		}
	}
	return fmt.Sprintf("%s (%s): no match: %s", name, r.Statement.Effect, strings.Join(not, "; "))
}

// String is the condition and what the request had instead.
func (c ConditionResult) String() string {
	actual := "absent"
	if len(c.Actual) > 0 {
		actual = strings.Join(c.Actual, " | ")
	}
	return fmt.Sprintf("%s %s [%s], was %s",
		c.Condition.Operator, c.Condition.Key, strings.Join(c.Condition.Values, " | "), actual)
}

// String is the decision in one line: allowed or denied, by what, or why not.
func (d Decision) String() string {
	where := ""
	if d.Statement != nil {
		where = ": " + d.Source + ", " + d.Statement.Name()
	}
	switch {
	case d.Allowed && d.By == 0:
		return "allowed, root user"
	case d.Allowed:
		return "allowed by " + d.By.withArticle() + where
	}
	return "denied " + d.Reason() + where
}
