package cloudtrail

import (
	"strings"
	"sync"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// maxResources is how many resources are told apart of one action of one principal.
// With one more, the longest path that many of them share stands for those (see widen).
const maxResources = 256

// activity counts in memory what principals do, until it is flushed.
type activity struct {
	mu         *sync.RWMutex
	principals map[string]*principalUse // by ARN
}

func newActivity() activity {
	return activity{new(sync.RWMutex), map[string]*principalUse{}}
}

// principalUse is what one principal has done since the last flush.
type principalUse struct {
	mu      sync.Mutex
	gone    bool // forgotten: a use is to be noted elsewhere
	arn     string
	account string
	actions map[string]*actionUse
}

// actionUse is the use of one action, by resource.
type actionUse struct {
	uses map[string]*use
	wide int // of these, how many are patterns
}

// use is how often and when something was done since it was flushed.
type use struct {
	Count  int64
	Last   int64  // nanoseconds since 1970
	Region string `json:",omitempty"`
	Wide   bool   `json:",omitempty"` // the resource ends in a "*" that stands for anything
}

func (u *use) add(o *use) {
	u.Count += o.Count
	if o.Last >= u.Last {
		u.Last, u.Region = o.Last, o.Region
	}
}

// userOf is the user or role that a caller's permissions are those of, "" for one
// without: root, services, strangers.
func userOf(c *aws.Caller) string {
	switch c.Kind {
	case aws.User:
		return c.ARN
	case aws.AssumedRole:
		return c.Role
	case aws.Federated:
		if !strings.HasSuffix(c.Role, ":root") {
			return c.Role
		}
	}
	return ""
}

// mark notes what an event's decisions let happen. It is on the path of every request.
func (a *activity) mark(e *aws.Event, now time.Time) {
	if len(e.Decisions) == 0 {
		return
	}
	who := userOf(&e.Request.Caller)
	if who == "" {
		return
	}
	region := e.Request.Region
	if e.Op != nil && e.Op.Service.Global {
		region = globalRegion
	}
	at := use{Count: 1, Last: now.UnixNano(), Region: region}
	for !a.of(who, e.Request.Caller.Account).mark(e.Decisions, &at) {
	}
}

// of is the place of a principal's uses.
func (a *activity) of(arn, account string) *principalUse {
	a.mu.RLock()
	p := a.principals[arn]
	a.mu.RUnlock()
	if p != nil {
		return p
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p = a.principals[arn]; p == nil {
		p = &principalUse{arn: strings.Clone(arn), account: account, actions: map[string]*actionUse{}}
		a.principals[p.arn] = p
	}
	return p
}

// mark notes the decisions that let something happen; false if p was forgotten in the
// meantime.
func (p *principalUse) mark(decisions []aws.Decision, at *use) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	for i := range decisions {
		d := &decisions[i]
		if !d.Allowed && !d.Passed || d.As != nil {
			continue
		}
		act := p.actions[d.Action]
		if act == nil {
			act = &actionUse{uses: map[string]*use{}}
			p.actions[strings.Clone(d.Action)] = act
		}
		act.find(d.Resource).add(at)
	}
	return true
}

// find is the use of a resource, or of the pattern that covers it; a new one if there
// is none.
func (a *actionUse) find(resource string) *use {
	if u := a.uses[resource]; u != nil {
		return u
	}
	if a.wide > 0 {
		for pattern, u := range a.uses {
			if u.Wide && covers(pattern, resource) {
				return u
			}
		}
	}
	u := &use{}
	a.uses[strings.Clone(resource)] = u
	if len(a.uses) <= maxResources {
		return u
	}
	_, a.wide = fold(a.uses)
	return a.find(resource)
}

// covers reports whether a pattern, which ends in "*", stands for the resource.
func covers(pattern, resource string) bool {
	return strings.HasPrefix(resource, pattern[:len(pattern)-1])
}

// fold puts a pattern in the place of many uses. It returns the resources that went, and
// how many patterns there are now.
func fold(uses map[string]*use) (gone []string, patterns int) {
	pattern := widen(uses) + "*"
	sum := &use{Wide: true}
	for resource, u := range uses {
		switch {
		case covers(pattern, resource):
			sum.add(u)
			delete(uses, resource)
			if resource != pattern {
				gone = append(gone, resource)
			}
		case u.Wide:
			patterns++
		}
	}
	uses[pattern] = sum
	return gone, patterns + 1
}

// widen is the longest path that a good part of the resources begin with; a smaller part
// if none does. Paths end in "/" or ":"; the first is an ARN's up to its account, so that
// services and accounts do not mix unless nothing else is left.
func widen(uses map[string]*use) string {
	count := map[string]int{}
	for resource := range uses {
		for path := parent(resource); path != ""; path = parent(path) {
			count[path]++
		}
	}
	for enough := maxResources / 4; enough > 1; enough /= 2 {
		best := ""
		for path, n := range count {
			if n >= enough && (len(path) > len(best) || len(path) == len(best) && path < best) {
				best = path
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// parent is what comes before the last part of an ARN or of a path, with the separator;
// "" above the account.
func parent(path string) string {
	end := strings.TrimSuffix(path, "*")
	end = strings.TrimRight(end, "/:")
	cut := strings.LastIndexAny(end, "/:") + 1
	if strings.Count(end[:cut], ":") < 5 {
		return ""
	}
	return end[:cut]
}
