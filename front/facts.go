package front

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

// facts are the condition keys of a request, looked up when a policy asks.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
//
// The keys of what Tule does not have are in no request: aws:SourceVpc and the other
// keys of VPC endpoints, aws:Ec2Instance…, aws:ChatbotSourceArn, aws:AssumedRoot.
type facts struct {
	ctx    context.Context
	front  *Front
	req    *aws.Request
	caller *aws.Caller
	need   *aws.Access
	// Where the caller's account stands, and the resource's.
	principal, resource Place

	tags map[string]string // the resource's, once read
	err  error             // what could not be read; the decision does not count then
}

var _ policy.Context = (*facts)(nil)

// places finds out where the accounts stand.
func (f *facts) places() (err error) {
	if f.front.Organizations == nil {
		return nil
	}
	if f.caller.Kind != aws.ServiceSelf && f.caller.Account != "" {
		if f.principal, err = f.front.Organizations.PlaceOf(f.ctx, f.caller.Account); err != nil {
			return err
		}
	}
	owner := f.owner()
	if owner == f.caller.Account {
		f.resource = f.principal
		if f.caller.Kind != aws.ServiceSelf {
			return nil
		}
	}
	if owner != "" {
		f.resource, err = f.front.Organizations.PlaceOf(f.ctx, owner)
	}
	return err
}

// owner is the account of the resource, "" where nobody says.
func (f *facts) owner() string {
	if f.need.Resource == "*" {
		return f.caller.Account
	}
	if f.need.Account != "" {
		return f.need.Account
	}
	a, _ := aws.ParseARN(f.need.Resource)
	return a.Account
}

// Values implements policy.Context. Keys come in lower case.
func (f *facts) Values(key string) []string {
	for k, v := range f.need.Keys {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	for prefix, read := range f.need.Late {
		if len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) {
			return f.late(read, key[len(prefix):])
		}
	}
	for k, v := range f.caller.Keys {
		if strings.EqualFold(k, key) {
			return v
		}
	}
	if _, tag, ok := strings.Cut(key, ":resourcetag/"); ok {
		return f.tag(tag)
	}
	name, global := strings.CutPrefix(key, "aws:")
	if !global {
		return nil
	}
	if v, ok := f.ofCaller(name); ok {
		return v
	}
	if v, ok := f.ofOrganization(name); ok {
		return v
	}
	return f.ofRequest(name)
}

// late is a condition key that is read now.
func (f *facts) late(read func(context.Context, string) ([]string, error), rest string) (values []string) {
	if f.err == nil {
		values, f.err = read(f.ctx, rest)
	}
	return values
}

// tag is the value of a tag of the resource; the keys of tags have no case here.
func (f *facts) tag(key string) []string {
	if f.tags == nil && f.need.Tags != nil && f.err == nil {
		if f.tags, f.err = f.need.Tags(f.ctx); f.err == nil && f.tags == nil {
			f.tags = map[string]string{}
		}
	}
	found, value := "", []string(nil)
	for k, v := range f.tags { // of two that differ by case, always the same one
		if strings.EqualFold(k, key) && (value == nil || k < found) {
			found, value = k, []string{v}
		}
	}
	return value
}

func (f *facts) ofRequest(name string) []string {
	r := f.req
	switch name {
	case "sourceip":
		if f.caller.Kind != aws.ServiceSelf {
			return one(r.SourceIP)
		}
	case "useragent":
		return one(r.UserAgent)
	case "referer":
		return one(r.Referer)
	case "securetransport":
		return one(strconv.FormatBool(r.Secure))
	case "currenttime":
		return one(r.Time.UTC().Format(time.RFC3339))
	case "epochtime":
		return one(strconv.FormatInt(r.Time.Unix(), 10))
	case "requestedregion":
		return one(r.Region)
	case "resourceaccount":
		return one(f.owner())
	case "viaawsservice":
		return one(strconv.FormatBool(len(r.Via) > 0))
	case "calledvia":
		return r.Via
	case "calledviafirst":
		if len(r.Via) > 0 {
			return r.Via[:1]
		}
	case "calledvialast":
		if n := len(r.Via); n > 0 {
			return r.Via[n-1:]
		}
	}
	return nil
}

// ofOrganization are the keys that follow from where accounts stand.
func (f *facts) ofOrganization(name string) ([]string, bool) {
	switch name {
	case "principalorgid":
		return one(f.principal.ID), true
	case "principalorgpaths":
		return one(f.principal.Path), true
	case "resourceorgid":
		return one(f.resource.ID), true
	case "resourceorgpaths":
		return one(f.resource.Path), true
	case "sourceorgid":
		return one(f.source().ID), true
	case "sourceorgpaths":
		return one(f.source().Path), true
	}
	return nil, false
}

// source is where the account stands for which a service calls.
func (f *facts) source() (p Place) {
	if f.caller.SourceAccount != "" && f.front.Organizations != nil && f.err == nil {
		p, f.err = f.front.Organizations.PlaceOf(f.ctx, f.caller.SourceAccount)
	}
	return p
}

// ofCaller are the keys that follow from who calls.
func (f *facts) ofCaller(name string) ([]string, bool) {
	c := f.caller
	switch name {
	case "sourcearn":
		return one(c.SourceARN), true
	case "sourceaccount":
		return one(c.SourceAccount), true
	case "sourceidentity":
		return one(c.SourceIdentity), true
	case "federatedprovider":
		return one(c.Provider), true
	case "principalisawsservice":
		return one(strconv.FormatBool(c.Kind == aws.ServiceSelf)), true
	case "principalservicename", "principalservicenameslist":
		if c.Kind == aws.ServiceSelf {
			return one(c.ARN), true
		}
		return nil, true
	case "multifactorauthpresent":
		if c.Kind == aws.AssumedRole || !c.IssuedAt.IsZero() {
			return one(strconv.FormatBool(!c.MFAAt.IsZero())), true
		}
		return nil, true
	case "multifactorauthage":
		if !c.MFAAt.IsZero() {
			return one(strconv.FormatInt(int64(f.req.Time.Sub(c.MFAAt).Seconds()), 10)), true
		}
		return nil, true
	case "tokenissuetime":
		if !c.IssuedAt.IsZero() {
			return one(c.IssuedAt.UTC().Format(time.RFC3339)), true
		}
		return nil, true
	}
	return nil, false
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
