package policy_test

import (
	"encoding/base64"
	"math/big"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/tule-cloud/tule/policy"
)

// reference is the evaluator written plainly, from AWS's pages and for reading: it
// works on parsed documents, with regular expressions, big rationals and package
// net, shares no code with the compiled form, and is only right, not fast.
type reference struct {
	req *policy.Request
}

// outcome is what both evaluators must agree on.
type outcome struct {
	allowed, explicit bool
	by                policy.Kind
}

func (r *reference) decide(set *policy.Set) outcome {
	resourceKind := policy.Resource
	if set.Rule == policy.Trusted {
		resourceKind = policy.Trust
	}
	inAccount := r.req.Principal.AccountID != ""
	if denied := r.explicit(set, resourceKind); denied.explicit {
		return denied
	}

	// Every level of the organization must allow.
	if inAccount && set.SCPs != nil && !r.everyLevel(set.SCPs, policy.ServiceControl) {
		return outcome{by: policy.ServiceControl}
	}
	if set.RCPs != nil && !r.everyLevel(set.RCPs, policy.ResourceControl) {
		return outcome{by: policy.ResourceControl}
	}
	return r.implicit(set, resourceKind)
}

// explicit: an explicit deny anywhere ends it.
func (r *reference) explicit(set *policy.Set, resourceKind policy.Kind) outcome {
	type layer struct {
		kind    policy.Kind
		sources []policy.Source
		on      bool
	}
	var layers []layer
	for _, level := range set.SCPs {
		layers = append(layers, layer{policy.ServiceControl, level, r.req.Principal.AccountID != ""})
	}
	for _, level := range set.RCPs {
		layers = append(layers, layer{policy.ResourceControl, level, true})
	}
	layers = append(layers,
		layer{resourceKind, set.Resource, true}, layer{policy.Identity, set.Identity, true},
		layer{policy.Boundary, set.Boundary, true}, layer{policy.Session, set.Session, true})
	for _, l := range layers {
		if l.on && r.find(l.sources, l.kind, policy.Deny, "any") {
			return outcome{explicit: true, by: l.kind}
		}
	}
	return outcome{}
}

// implicit: what nothing denies must be allowed by whoever has a say.
func (r *reference) implicit(set *policy.Set, resourceKind policy.Kind) outcome {
	p := r.req.Principal
	allows := func(kind policy.Kind, sources []policy.Source, how string) bool {
		return r.find(sources, kind, policy.Allow, how)
	}
	resource := allows(resourceKind, set.Resource, "any")
	switch p.Type {
	case policy.Anonymous, policy.Service, policy.Federated:
		return outcome{allowed: resource, by: resourceKind}
	}

	identity := allows(policy.Identity, set.Identity, "any")
	identityKind := policy.Kind(0)
	if identity {
		identityKind = policy.Identity
	}
	if p.Type == policy.Root || strings.HasSuffix(p.Issuer, ":root") {
		identity = true
	}
	limits := func(by policy.Kind) outcome {
		if p.Type != policy.Root {
			if set.Boundary != nil && !allows(policy.Boundary, set.Boundary, "any") {
				return outcome{by: policy.Boundary}
			}
			if (set.Session != nil || p.Type == policy.FederatedUser) && !allows(policy.Session, set.Session, "any") {
				return outcome{by: policy.Session}
			}
		}
		return outcome{allowed: true, by: by}
	}

	if r.resourceAccount() != p.AccountID {
		switch {
		case !identity:
			return outcome{by: policy.Identity}
		case !resource:
			return outcome{by: resourceKind}
		}
		return limits(identityKind)
	}
	switch {
	case allows(resourceKind, set.Resource, "direct"):
		return outcome{allowed: true, by: resourceKind}
	case set.Rule != policy.Union && !resource:
		return outcome{by: resourceKind}
	case allows(resourceKind, set.Resource, "issuer"):
		return limits(resourceKind)
	case !identity:
		return outcome{by: policy.Identity}
	}
	return limits(identityKind)
}

func (r *reference) everyLevel(levels [][]policy.Source, kind policy.Kind) bool {
	for _, level := range levels {
		if !r.find(level, kind, policy.Allow, "any") {
			return false
		}
	}
	return len(levels) > 0
}

func (r *reference) resourceAccount() string {
	parts := strings.SplitN(r.req.Resource, ":", 6)
	switch {
	case r.req.ResourceAccount != "":
		return r.req.ResourceAccount
	case r.req.Resource == "*", len(parts) == 6 && parts[0] == "arn" && parts[4] == "aws":
		return r.req.Principal.AccountID
	case len(parts) == 6 && parts[0] == "arn" && parts[4] != "":
		return parts[4]
	}
	return "nobody"
}

// find reports whether some statement of the effect applies, naming the caller in
// the given way: any, issuer (or more directly), direct.
func (r *reference) find(sources []policy.Source, kind policy.Kind, effect policy.Effect, how string) bool {
	for _, src := range sources {
		doc := src.Policy.Document()
		for _, s := range doc.Statements {
			if s.Effect == effect && r.applies(doc.Version, s, kind, how) {
				return true
			}
		}
	}
	return false
}

func (r *reference) applies(version string, s policy.Statement, kind policy.Kind, how string) bool {
	onResource := kind == policy.Resource || kind == policy.Trust || kind == policy.ResourceControl
	if onResource {
		if !r.names(s, how) {
			return false
		}
	} else if s.Principals != nil && s.Effect == policy.Allow {
		return false
	}
	if s.Actions == nil && s.Effect == policy.Allow {
		return false
	}
	if s.Actions != nil {
		found := false
		for _, a := range s.Actions {
			found = found || glob("(?i)", a).MatchString(r.req.Action)
		}
		if found == s.NotAction {
			return false
		}
	}
	return r.matchesResource(version, s, onResource) && r.conditions(version, s)
}

func (r *reference) matchesResource(version string, s policy.Statement, onResource bool) bool {
	if s.Resources == nil {
		return onResource || s.Effect == policy.Deny
	}
	found, unknown := false, false
	for _, res := range s.Resources {
		re, ok := r.pattern(version, res, true)
		unknown = unknown || !ok
		found = found || ok && re.MatchString(r.req.Resource)
	}
	if s.NotResource && !found && unknown {
		return s.Effect == policy.Deny
	}
	return found != s.NotResource
}

// named lists the caller's own names, those of what is behind it, its account's.
func (r *reference) named() (direct, issuer, account []string) {
	p := r.req.Principal
	if p.AccountID != "" {
		account = []string{"AWS " + p.AccountID, "AWS arn:aws:iam::" + p.AccountID + ":root"}
	}
	if p.CanonicalUserID != "" {
		account = append(account, "CanonicalUser "+p.CanonicalUserID)
	}
	if p.ARN != "" {
		direct = append(direct, "AWS "+p.ARN)
	}
	if p.UserID != "" {
		direct = append(direct, "AWS "+p.UserID)
	}
	switch p.Type {
	case policy.Root:
		direct = append(direct, account...)
	case policy.AssumedRole:
		role, _, _ := strings.Cut(p.UserID, ":")
		issuer = []string{"AWS " + p.Issuer, "AWS " + role}
	case policy.FederatedUser:
		if !strings.HasSuffix(p.Issuer, ":root") {
			issuer = []string{"AWS " + p.Issuer}
		}
	case policy.Service:
		for _, s := range p.Service {
			direct = append(direct, "Service "+s)
		}
	case policy.Federated:
		direct = append(direct, "Federated "+p.Provider)
	}
	return direct, issuer, account
}

func (r *reference) names(s policy.Statement, how string) bool {
	direct, issuer, account := r.named()
	listed := func(names []string) bool {
		for _, e := range s.Principals {
			for _, n := range names {
				if e.Type+" "+e.Value == n {
					return true
				}
			}
		}
		return false
	}
	everybody := listed([]string{"AWS *"})
	if s.NotPrincipal {
		if s.Effect == policy.Allow {
			return false
		}
		spared := listed(direct)
		switch r.req.Principal.Type {
		case policy.User:
			spared = spared && listed(account)
		case policy.AssumedRole, policy.FederatedUser:
			spared = spared && listed(account) && listed(issuer)
		}
		return !spared && !everybody
	}
	switch how {
	case "direct":
		return everybody || listed(direct)
	case "issuer":
		return everybody || listed(direct) || listed(issuer)
	}
	return everybody || listed(direct) || listed(issuer) || listed(account)
}

// glob turns wildcards into a regular expression.
func glob(flags, pattern string) *regexp.Regexp {
	var b strings.Builder
	for _, c := range pattern {
		switch c {
		case '*':
			b.WriteString("(?s:.*)")
		case '?':
			b.WriteString("(?s:.)")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return regexp.MustCompile(flags + `\A` + b.String() + `\z`)
}

var variableForm = regexp.MustCompile(`\$\{(\*|\?|\$|[^*?$'{},]+)(?:, *'([^']*)')?\}`)

// pattern turns a text with variables into a regular expression; false if one of
// them has no value.
func (r *reference) pattern(version, text string, wild bool) (*regexp.Regexp, bool) {
	part := func(s string) string {
		if !wild {
			return regexp.QuoteMeta(s)
		}
		return strings.TrimSuffix(strings.TrimPrefix(glob("", s).String(), `\A`), `\z`)
	}
	if version != policy.Version2012 {
		return regexp.MustCompile(`\A` + part(text) + `\z`), true
	}
	var b strings.Builder
	last := 0
	for _, m := range variableForm.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(part(text[last:m[0]]))
		last = m[1]
		key := text[m[2]:m[3]]
		if key == "*" || key == "?" || key == "$" {
			b.WriteString(regexp.QuoteMeta(key))
			continue
		}
		values := r.lookup(key)
		switch {
		case len(values) == 1:
			b.WriteString(regexp.QuoteMeta(values[0]))
		case len(values) == 0 && m[4] >= 0:
			b.WriteString(regexp.QuoteMeta(text[m[4]:m[5]]))
		default:
			return nil, false
		}
	}
	b.WriteString(part(text[last:]))
	return regexp.MustCompile(`\A` + b.String() + `\z`), true
}

func (r *reference) lookup(key string) []string {
	key = strings.ToLower(strings.TrimSpace(key))
	if v := r.req.Context.Values(key); len(v) > 0 {
		return v
	}
	p := r.req.Principal
	derived := map[string]string{
		"aws:principalaccount": p.AccountID,
		"aws:userid":           p.UserID,
		"aws:username":         p.UserName,
		"aws:principalarn":     p.ARN,
	}
	if p.Type == policy.AssumedRole {
		derived["aws:principalarn"] = p.Issuer
	}
	for _, t := range p.Tags {
		derived["aws:principaltag/"+strings.ToLower(t.Key)] = t.Value
	}
	if v := derived[key]; v != "" {
		return []string{v}
	}
	return nil
}

func (r *reference) conditions(version string, s policy.Statement) bool {
	for _, c := range s.Conditions {
		if !r.condition(version, s.Effect, c) {
			return false
		}
	}
	return true
}

func (r *reference) condition(version string, effect policy.Effect, c policy.Condition) bool {
	values := r.lookup(c.Key)
	op, set := c.Operator, ""
	if i := strings.Index(op, ":"); i >= 0 {
		set, op = op[:i], op[i+1:]
	}
	op, ifExists := strings.CutSuffix(op, "IfExists")
	if op == "Null" {
		for _, v := range c.Values {
			if (v == "true") == (len(values) == 0) {
				return true
			}
		}
		return false
	}
	negated := strings.Contains(op, "Not")
	op = strings.Replace(op, "Not", "", 1)
	if len(values) == 0 {
		return ifExists || set == "ForAllValues" || set == "" && negated
	}
	count := 0
	for _, v := range values {
		if r.value(version, effect, op, negated, v, c.Values) {
			count++
		}
	}
	if set == "ForAllValues" || set == "" && negated {
		return count == len(values)
	}
	return count > 0
}

// value asks one value of the request against the list in the policy.
func (r *reference) value(version string, effect policy.Effect, op string, negated bool, v string, list []string) bool {
	unknown := false
	for _, want := range list {
		matched, ok := r.matches(version, op, v, want)
		if matched {
			return !negated
		}
		unknown = unknown || !ok
	}
	if negated && unknown {
		return effect == policy.Deny
	}
	return negated
}

// matches compares one value with one; ok is false where that cannot be told.
func (r *reference) matches(version, op, v, want string) (matched, ok bool) {
	switch op {
	case "StringEquals", "StringEqualsIgnoreCase", "StringLike":
		re, ok := r.pattern(version, want, op == "StringLike")
		if !ok {
			return false, false
		}
		if op == "StringEqualsIgnoreCase" {
			re = regexp.MustCompile("(?i)" + re.String())
		}
		return re.MatchString(v), true
	case "ArnEquals", "ArnLike":
		parts := strings.SplitN(v, ":", 6)
		if len(parts) < 6 || parts[0] != "arn" {
			return false, false
		}
		matched, ok = true, true
		for i, w := range strings.SplitN(strings.ReplaceAll(want, "aws:username", "aws%username"), ":", 6) {
			re, known := r.pattern(version, strings.ReplaceAll(w, "aws%username", "aws:username"), true)
			ok = ok && known
			matched = matched && known && re.MatchString(parts[i])
		}
		return matched, ok
	case "Bool":
		return strings.EqualFold(v, want), true
	case "BinaryEquals":
		a, err1 := base64.StdEncoding.DecodeString(v)
		b, err2 := base64.StdEncoding.DecodeString(want)
		return err1 == nil && err2 == nil && string(a) == string(b), err1 == nil && err2 == nil
	case "IpAddress":
		ip := net.ParseIP(v)
		if !strings.Contains(want, "/") {
			other := net.ParseIP(want)
			return ip != nil && ip.Equal(other), ip != nil && other != nil
		}
		_, block, err := net.ParseCIDR(want)
		return err == nil && ip != nil && block.Contains(ip), err == nil && ip != nil
	}
	return compare(op, v, want)
}

func compare(op, v, want string) (matched, ok bool) {
	var order int
	if kind, rest, _ := strings.Cut(op, "Numeric"); kind == "" {
		a, ok1 := new(big.Rat).SetString(v)
		b, ok2 := new(big.Rat).SetString(want)
		if !ok1 || !ok2 {
			return false, false
		}
		order, op = a.Cmp(b), rest
	} else {
		a, err1 := time.Parse(time.RFC3339, v)
		b, err2 := time.Parse(time.RFC3339, want)
		if err1 != nil || err2 != nil {
			return false, false
		}
		order, op = a.Compare(b), strings.TrimPrefix(op, "Date")
	}
	switch op {
	case "Equals":
		return order == 0, true
	case "LessThan":
		return order < 0, true
	case "LessThanEquals":
		return order <= 0, true
	case "GreaterThan":
		return order > 0, true
	}
	return order >= 0, true
}
