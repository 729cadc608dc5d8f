package resource

import (
	"maps"
	"strings"

	"github.com/tule-cloud/tule/template"
)

// tagStep is the tag that tells what one step of a stack made from all else, so that a
// creation that was interrupted finds its own again, and not what it is to replace.
const tagStep = "aws:cloudformation:step"

// marks are the resource's tags with those of CloudFormation itself, for services that
// take them from it: whose the resource is, and which step made it.
func (c *Call) marks() map[string]string {
	tags := maps.Clone(c.Tags())
	tags["aws:cloudformation:stack-id"], tags["aws:cloudformation:stack-name"] = c.Stack.ID, c.Stack.Name
	tags["aws:cloudformation:logical-id"], tags[tagStep] = c.Logical, c.Token
	return tags
}

// marked reports whether tags are those of what this step made.
func (c *Call) marked(tags map[string]string) bool {
	return tags[tagStep] == c.Token && tags["aws:cloudformation:stack-id"] == c.Stack.ID
}

// steady is a name of at most so many characters that is the same for every try of a
// creation, where the type has no property for its name: the stack's, the resource's,
// and twelve characters of the step's token.
func (c *Call) steady(most int) string {
	chance := strings.ToUpper(strings.ReplaceAll(c.Token, "-", ""))
	chance = chance[max(len(chance)-12, 0):]
	stack, logical := c.Stack.Name, c.Logical
	room := most - len(chance) - 2
	if over := len(stack) + len(logical) - room; over > 0 {
		logical = logical[:len(logical)-min(over, max(len(logical)-room/2, 0))]
		stack = stack[:min(len(stack), room-len(logical))]
	}
	return stack + "-" + logical + "-" + chance
}

// attribute is the text of an attribute that the creation has set; "" where there is none.
func (c *Call) attribute(name string) string { return template.Text(c.Attributes[name]) }

// found takes id for what an interrupted creation made, with the properties it was given.
func (c *Call) found(id string) {
	c.ID = id
	c.Take(c.Properties.Names()...)
}
