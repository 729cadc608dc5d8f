package front

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/aws"
)

// Coverage is what of a service is answered.
type Coverage struct {
	Service           string
	Answered, Missing []string // operations, in alphabetical order
}

// Coverage says of each service which of its operations are answered.
func (f *Front) Coverage() []Coverage {
	var out []Coverage
	for _, s := range f.services {
		c := Coverage{Service: s.Model.ID}
		for _, op := range s.Operations {
			if _, ok := f.routes[op]; ok {
				c.Answered = append(c.Answered, op.Name)
			} else {
				c.Missing = append(c.Missing, op.Name)
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Coverage) int { return strings.Compare(a.Service, b.Service) })
	return out
}

// Routes are all that is answered, by service and operation in alphabetical order.
func (f *Front) Routes() []aws.Route {
	return slices.SortedFunc(maps.Values(f.routes), func(a, b aws.Route) int {
		return cmp.Or(strings.Compare(a.Op.Service.Package, b.Op.Service.Package), strings.Compare(a.Op.Name, b.Op.Name))
	})
}
