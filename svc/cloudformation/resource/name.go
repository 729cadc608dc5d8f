package resource

import (
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// RandomName is the name that CloudFormation gives a resource: the stack's, the
// resource's, and twelve characters of chance, cut to the type's length.
func (c *Call) RandomName() string {
	t := c.Type
	most := t.Length
	if most == 0 {
		most = 64
	}
	suffix := ""
	if t.Suffix != nil {
		suffix = t.Suffix(c)
	}
	const chance = 12
	letters := "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	stack, logical := c.Stack.Name, c.Logical
	if t.Lower {
		letters, stack, logical = strings.ToLower(letters), strings.ToLower(stack), strings.ToLower(logical)
	} else {
		letters += "abcdefghijklmnopqrstuvwxyz"
	}
	room := max(most-chance-2-len(suffix), 2)
	// Both names keep something of themselves.
	if over := len(stack) + len(logical) - room; over > 0 {
		cut := min(over, max(len(logical)-room/2, 0))
		logical = logical[:len(logical)-cut]
		stack = stack[:max(min(len(stack), room-len(logical)), 1)]
	}
	return stack + "-" + logical + "-" + aws.RandomID(c.Random, letters, chance) + suffix
}

// Identify puts the generated name among the properties where they have none.
func (c *Call) Identify() {
	if c.Type.Named == "" || template.Text(c.Properties.Get(c.Type.Named)) != "" || c.Name == "" {
		return
	}
	p := ordered.New()
	p.Merge(c.Properties)
	c.Properties = p.Set(c.Type.Named, c.Name)
}

// Default puts the values that the type says for them among the properties where an update
// has taken some away.
func (c *Call) Default() {
	p := ordered.New()
	p.Merge(c.Properties)
	for name, v := range c.Type.Defaults {
		if c.Old.Has(name) && !p.Has(name) {
			p.Set(name, v)
		}
	}
	c.Properties = p
}
