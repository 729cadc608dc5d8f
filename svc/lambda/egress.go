package lambda

import (
	"github.com/tule-cloud/tule/sandbox"
)

// An Egress is what a function reaches beside this Tule: each is more than the one before.
type Egress int

const (
	// EgressNone is nothing.
	EgressNone Egress = iota
	// EgressProxy is the hosts that the proxy at Options.Proxy lets through.
	EgressProxy
	// EgressNAT is what the machine reaches (sandbox.EgressNAT).
	EgressNAT
)

// egressNames are spelt as the operator spells them.
var egressNames = [...]string{"none", "proxy", "nat"}

// String is the egress as `tule start --egress` spells it.
func (e Egress) String() string { return egressNames[e] }

// ParseEgress undoes String; false if there is no such egress.
func ParseEgress(name string) (Egress, bool) {
	for e, n := range egressNames {
		if n == name {
			return Egress(e), true
		}
	}
	return EgressNone, false
}

// egressTag is the tag by which a function asks for less than Options.Egress.
const egressTag = "tule:egress"

// checkEgress refuses tags that ask for what there is not: who misspells "none" believes in a
// wall that does not stand.
func checkEgress(tags map[string]string) error {
	if name, asked := tags[egressTag]; asked {
		if _, known := ParseEgress(name); !known {
			return invalid("The value '%s' of the tag %s is not supported. Supported values: none, proxy, nat.", name, egressTag)
		}
	}
	return nil
}

// egressOf is what a function reaches: what its tag asks for, and never more than the operator allows.
func (s *Service) egressOf(f *function) Egress {
	if asked, ok := ParseEgress(f.Tags[egressTag]); ok {
		return min(asked, s.Egress)
	}
	return s.Egress
}

// sandboxed is the egress of the sandbox itself. The proxy is a listener in it.
func (e Egress) sandboxed() sandbox.Egress {
	if e == EgressNAT {
		return sandbox.EgressNAT
	}
	return sandbox.EgressNone
}

// readmit ends the environments of a function that reach what it does not any more, or not what it
// does now.
func (f *fleet) readmit(at ref, now Egress) {
	f.retireIf(at, func(e *environment) bool { return e.egress != now })
}
