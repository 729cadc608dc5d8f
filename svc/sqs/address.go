package sqs

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A place is where a queue is.
type place struct{ region, account, name string }

func (p place) scope() store.Scope { return store.Scope{Account: p.account, Region: p.region} }

func (p place) arn() string { return aws.NewARN("sqs", p.region, p.account, p.name).String() }

// placeOfARN reads a queue's ARN; false if it is none.
func placeOfARN(arn string) (place, bool) {
	a, ok := aws.ParseARN(arn)
	if !ok || a.Partition != aws.Partition || a.Service != "sqs" || !aws.ValidAccount(a.Account) || !aws.ValidRegion(a.Region) || !validName(a.Resource) {
		return place{}, false
	}
	return place{a.Region, a.Account, a.Resource}, true
}

// validName reports whether a queue may have the name: up to 80 letters, digits,
// hyphens and underscores, the ".fifo" of a FIFO queue included.
func validName(name string) bool {
	stem := strings.TrimSuffix(name, ".fifo")
	return stem != "" && len(name) <= 80 && alphanumeric(stem)
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// parseURL reads a queue's URL, in any of the forms that AWS and its local stand-ins
// have given out; a form that names no region is in the region of the call:
//
//	https://sqs.{region}.amazonaws.com/{account}/{name}
//	https://queue.amazonaws.com/{account}/{name}
//	http://{region}.queue.localhost.localstack.cloud:4566/{account}/{name}
//	http://localhost:4566/queue/{region}/{account}/{name}
//	http://localhost:4566/{account}/{name}
func parseURL(text, region string) (place, bool) {
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		rest = text
	}
	host, path, ok := strings.Cut(rest, "/")
	if !ok {
		return place{}, false
	}
	if r := hostRegion(host); r != "" {
		region = r
	}
	path = strings.Trim(path, "/")
	if own, ok := strings.CutPrefix(path, "queue/"); ok {
		var r string
		if r, own, ok = strings.Cut(own, "/"); ok && aws.ValidRegion(r) {
			region, path = r, own
		}
	}
	account, name, ok := strings.Cut(path, "/")
	if !ok || !aws.ValidAccount(account) || !validName(name) {
		return place{}, false
	}
	return place{region, account, name}, true
}

// hostRegion is the region that the host of a queue's URL names, or "".
func hostRegion(host string) string {
	labels := strings.Split(strings.ToLower(host), ".")
	switch {
	case len(labels) < 2:
		return ""
	case labels[0] == "sqs" && aws.ValidRegion(labels[1]):
		return labels[1]
	case labels[1] == "queue" && aws.ValidRegion(labels[0]):
		return labels[0]
	case labels[0] == "queue" && len(labels) > 2:
		return "us-east-1"
	}
	return ""
}

// placeOf is the queue that the URL in an input leads to.
func placeOf(ctx context.Context, text *string) (place, error) {
	p, ok := parseURL(aws.Value(text), aws.RequestOf(ctx).Region)
	if !ok {
		return p, api.InvalidAddress("The address %.512s is not valid for this endpoint.", aws.Value(text))
	}
	return p, nil
}

// url is the address of a queue, as the caller of ctx can reach it.
func (s *Service) url(ctx context.Context, p place) string {
	r := aws.RequestOf(ctx)
	scheme, host, form := r.Scheme, s.Host, s.Strategy
	if form == "" || form == "dynamic" {
		// Where the host names no region, neither does the URL: tools such as Terraform take
		// it for /account/name, and whoever signs a call to it says the region.
		form, host = formOf(r.Host)
	}
	if scheme == "" {
		scheme = "http"
	}
	switch form {
	case "standard":
		host = "sqs." + p.region + "." + host
	case "domain":
		if host = "queue." + host; p.region != "us-east-1" {
			host = p.region + "." + host
		}
	case "path":
		host += "/queue/" + p.region
	}
	return scheme + "://" + host + "/" + p.account + "/" + p.name
}

// formOf is the form of URL by which a caller came, and the host within it.
func formOf(host string) (form, rest string) {
	labels := strings.Split(host, ".")
	switch region := hostRegion(host); {
	case region == "":
		return "off", host
	case labels[0] == "sqs":
		return "standard", strings.Join(labels[2:], ".")
	case labels[0] == "queue":
		return "domain", strings.Join(labels[1:], ".")
	default:
		return "domain", strings.Join(labels[2:], ".")
	}
}
