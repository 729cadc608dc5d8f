package policy_test

import (
	"fmt"
	"strings"

	"github.com/tule-cloud/tule/policy"
)

// shortRequest reads
//
//	PRINCIPAL ACTION RESOURCE [identity=P,Q] [boundary=P] [session=P] [resource=P]
//	[scp=P,Q/R] [rcp=P] [owner=ACCOUNT] [rule=required|trust] [KEY=VALUE|VALUE]…
//
// "none" is a list that is set and empty, "unreadable" a policy that did not
// compile; "/" separates an organization's levels.
// Words with a colon before the "=" are condition keys.
func (s *script) shortRequest(line string) (*policy.Request, *policy.Set, error) {
	f := strings.Fields(line)
	if len(f) < 3 {
		return nil, nil, fmt.Errorf("short request %q", line)
	}
	ctx := &policy.Values{}
	req := &policy.Request{Action: f[1], Resource: f[2], Context: ctx}
	set := &policy.Set{}
	if err := shortCaller(f[0], &req.Principal); err != nil {
		return nil, nil, err
	}
	for _, word := range f[3:] {
		key, v, _ := strings.Cut(word, "=")
		if strings.Contains(key, ":") {
			ctx.Set(key, shortValues(v)...)
			continue
		}
		if err := s.shortSet(key, v, req, set); err != nil {
			return nil, nil, err
		}
	}
	return req, set, nil
}

func (s *script) shortSet(key, v string, req *policy.Request, set *policy.Set) (err error) {
	switch key {
	case "identity":
		set.Identity, err = s.sources(v)
	case "boundary":
		set.Boundary, err = s.sources(v)
	case "session":
		set.Session, err = s.sources(v)
	case "resource":
		set.Resource, err = s.sources(v)
	case "scp":
		set.SCPs, err = s.levels(v)
	case "rcp":
		set.RCPs, err = s.levels(v)
	case "owner":
		req.ResourceAccount = v
	case "id":
		req.Principal.UserID = v
	case "canonical":
		req.Principal.CanonicalUserID = v
	case "tag":
		k, v, _ := strings.Cut(v, ":")
		req.Principal.Tags = append(req.Principal.Tags, policy.Tag{Key: k, Value: v})
	case "rule":
		set.Rule = map[string]policy.ResourceRule{"required": policy.Required, "trust": policy.Trusted}[v]
	default:
		err = fmt.Errorf("unknown word %q", key)
	}
	return err
}

func (s *script) sources(v string) ([]policy.Source, error) {
	list := []policy.Source{}
	if v == "none" {
		return list, nil
	}
	for _, name := range strings.Split(v, ",") {
		p := s.policies[name]
		if p == nil && name != "unreadable" {
			return nil, fmt.Errorf("no policy %q", name)
		}
		list = append(list, policy.Source{ID: name, Policy: p})
	}
	return list, nil
}

func (s *script) levels(v string) ([][]policy.Source, error) {
	levels := [][]policy.Source{}
	if v == "none" {
		return levels, nil
	}
	for _, names := range strings.Split(v, "/") {
		level, err := s.sources(names)
		if err != nil {
			return nil, err
		}
		levels = append(levels, level)
	}
	return levels, nil
}

// shortCaller reads "root@A", "user/N@A", "role/R@A" (session "s"), "fed/N@A" (of
// user ana), "fedroot/N@A", "service/N", "web/PROVIDER", "anonymous".
func shortCaller(v string, p *policy.Principal) error {
	name, account, _ := strings.Cut(v, "@")
	kind, name, _ := strings.Cut(name, "/")
	if n, ok := map[string]string{"1": "111111111111", "9": "999999999999"}[account]; ok {
		account = n
	}
	p.AccountID = account
	iam, sts := "arn:aws:iam::"+account+":", "arn:aws:sts::"+account+":"
	last := name[strings.LastIndex(name, "/")+1:]
	switch kind {
	case "root":
		p.Type, p.ARN, p.UserID = policy.Root, iam+"root", account
	case "user":
		p.Type, p.ARN, p.UserName, p.UserID = policy.User, iam+"user/"+name, last, "AIDA"+strings.ToUpper(last)
	case "role":
		p.Type, p.ARN, p.Issuer = policy.AssumedRole, sts+"assumed-role/"+last+"/s", iam+"role/"+name
		p.UserID = "AROA" + strings.ToUpper(last) + ":s"
	case "fed":
		p.Type, p.ARN, p.Issuer = policy.FederatedUser, sts+"federated-user/"+name, iam+"user/ana"
		p.UserID = account + ":" + name
	case "fedroot":
		p.Type, p.ARN, p.Issuer = policy.FederatedUser, sts+"federated-user/"+name, iam+"root"
		p.UserID = account + ":" + name
	case "service":
		p.Type, p.Service = policy.Service, []string{name}
	case "web":
		p.Type, p.Provider = policy.Federated, name
	case "anonymous":
	default:
		return fmt.Errorf("unknown principal %q", v)
	}
	return nil
}
