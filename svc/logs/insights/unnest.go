package insights

import "maps"

// maxUnnested is how many rows unnest may make in a query: lists within lists multiply.
const maxUnnested = 10_000_000

// unnest reads which list becomes rows of their own.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Unnest.html
func (s *scanner) unnest(q *Query) error {
	of, err := s.operand()
	if err != nil {
		return err
	}
	if !s.word("into") {
		return s.bad()
	}
	c := &unnestCommand{of: of}
	if c.name, err = s.name(); err != nil {
		return err
	}
	if q.shown == nil {
		q.show(byDefault...)
	}
	q.show(c.name)
	q.commands = append(q.commands, c)
	return nil
}

// An unnestCommand makes a row of each element of a list; what is no list is its own only
// element.
type unnestCommand struct {
	of   expression
	name string
}

func (c *unnestCommand) ordered() bool { return false }
func (c *unnestCommand) blocks() bool  { return false }
func (c *unnestCommand) stage(run *Run, next stage) stage {
	return &unnesting{c, run, next, maxUnnested}
}

type unnesting struct {
	*unnestCommand
	run  *Run
	next stage
	left int
}

func (u *unnesting) push(r *row) bool {
	v := u.of(r)
	list, ok := v.tree.([]any)
	if v.kind != tree || !ok {
		r.set(u.name, v)
		return u.next.push(r)
	}
	for _, element := range list {
		if u.left--; u.left < 0 {
			u.run.err = ErrTooMuch
			return false
		}
		one := *r
		one.added = maps.Clone(r.added)
		one.set(u.name, fromJSON(element))
		if !u.next.push(&one) {
			return false
		}
	}
	return true
}

func (u *unnesting) finish() { u.next.finish() }
