package s3

import (
	"context"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const websiteSetting = "website" // api.WebsiteConfiguration

func (s *Service) websiteRoutes() []aws.Route {
	k := kind[api.WebsiteConfiguration]{s, websiteSetting, func(b *bucket) error {
		return notThere(b, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
	}}
	return []aws.Route{
		drop(&api.DeleteBucketWebsite, k, "s3:DeleteBucketWebsite",
			func(in *api.DeleteBucketWebsiteRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		read(&api.GetBucketWebsite, k, "s3:GetBucketWebsite",
			func(in *api.GetBucketWebsiteRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.WebsiteConfiguration) *api.GetBucketWebsiteOutput {
				return &api.GetBucketWebsiteOutput{ErrorDocument: c.ErrorDocument, IndexDocument: c.IndexDocument,
					RedirectAllRequestsTo: c.RedirectAllRequestsTo, RoutingRules: c.RoutingRules}
			}),
		write(&api.PutBucketWebsite, k, "s3:PutBucketWebsite",
			func(in *api.PutBucketWebsiteRequest) (bucket, owner *string, c *api.WebsiteConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.WebsiteConfiguration
			}, checkWebsite),
	}
}

func checkWebsite(_ context.Context, _ store.Tx, _ *bucket, c *api.WebsiteConfiguration) error {
	if r := c.RedirectAllRequestsTo; r != nil {
		if c.IndexDocument != nil || c.ErrorDocument != nil || c.RoutingRules != nil {
			return errArgument("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.", "RedirectAllRequestsTo", "not null")
		}
		if *r.HostName == "" {
			return errArgument("A host name must be provided in RedirectAllRequestsTo.", "HostName", "")
		}
		return nil
	}
	if c.IndexDocument == nil {
		return errArgument("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty", "IndexDocument", "null")
	}
	if i := *c.IndexDocument.Suffix; i == "" || strings.Contains(i, "/") {
		return errArgument("The IndexDocument Suffix is not well formed", "IndexDocument", i)
	}
	if len(c.RoutingRules) > 50 {
		return errRequest("%d routing rules provided, the number of routing rules in a website configuration is limited to 50.", len(c.RoutingRules))
	}
	for _, rule := range c.RoutingRules {
		if err := checkRouting(&rule); err != nil {
			return err
		}
	}
	return nil
}

func checkRouting(rule *api.RoutingRule) error {
	if c := rule.Condition; c != nil {
		if c.HttpErrorCodeReturnedEquals == nil && c.KeyPrefixEquals == nil {
			return errRequest("Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
		}
		if e := c.HttpErrorCodeReturnedEquals; e != nil {
			if n, err := strconv.Atoi(*e); err != nil || n < 400 || n > 599 {
				return errRequest("The provided HTTP error code (%s) is not valid. Valid codes are 4XX or 5XX.", *e)
			}
		}
	}
	d := rule.Redirect
	if d.ReplaceKeyPrefixWith != nil && d.ReplaceKeyWith != nil {
		return errRequest("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
	}
	if d.HostName == nil && d.HttpRedirectCode == nil && d.Protocol == nil && d.ReplaceKeyPrefixWith == nil && d.ReplaceKeyWith == nil {
		return errRequest("Redirect cannot be empty.")
	}
	if d.HttpRedirectCode != nil {
		if n, err := strconv.Atoi(*d.HttpRedirectCode); err != nil || n < 301 || n > 399 || n == 304 {
			return errRequest("The provided HTTP redirect code (%s) is not valid. Valid codes are 3XX except 300.", *d.HttpRedirectCode)
		}
	}
	return nil
}

// routeFor finds the rule for a key, before it is read (status 0) or once reading it has
// failed with status.
func routeFor(rules []api.RoutingRule, key string, status int) *api.RoutingRule {
	for i := range rules {
		c := rules[i].Condition
		if c == nil {
			if status == 0 {
				return &rules[i]
			}
			continue
		}
		code := 0
		if c.HttpErrorCodeReturnedEquals != nil {
			code, _ = strconv.Atoi(*c.HttpErrorCodeReturnedEquals)
		}
		if code == status && (c.KeyPrefixEquals == nil || strings.HasPrefix(key, *c.KeyPrefixEquals)) {
			return &rules[i]
		}
	}
	return nil
}

// redirection is where a rule sends a key that was asked for at scheme and host, and by
// which status. The key comes back escaped.
func redirection(rule *api.RoutingRule, scheme, host, key string) (location string, status int) {
	d := rule.Redirect
	if d.HostName != nil {
		host = *d.HostName
	}
	if d.Protocol != nil {
		scheme = *d.Protocol
	}
	switch {
	case d.ReplaceKeyWith != nil:
		key = *d.ReplaceKeyWith
	case d.ReplaceKeyPrefixWith != nil:
		prefix := ""
		if rule.Condition != nil && rule.Condition.KeyPrefixEquals != nil {
			prefix = *rule.Condition.KeyPrefixEquals
		}
		key = *d.ReplaceKeyPrefixWith + strings.TrimPrefix(key, prefix)
	}
	status = 301
	if d.HttpRedirectCode != nil {
		status, _ = strconv.Atoi(*d.HttpRedirectCode)
	}
	return scheme + "://" + host + "/" + escapePath(key), status
}

// escapePath escapes what cannot stand in a path, and keeps its slashes.
func escapePath(key string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/!$&'()*+,;=:@?#%"
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			b.WriteString(string([]byte{'%', digits[c>>4], digits[c&15]}))
		}
	}
	return b.String()
}

// websiteBucket is the bucket in the name of a website's host: photos for
// photos.s3-website-eu-west-1.amazonaws.com, photos.s3-website.eu-west-1.amazonaws.com,
// photos.s3-website.localhost.localstack.cloud. The host is in lower case and has no
// port.
func websiteBucket(host string) (bucket string, ok bool) {
	for _, suffix := range suffixes {
		name, found := strings.CutSuffix(host, suffix)
		if !found {
			continue
		}
		if i := strings.LastIndex(name, ".s3-website"); i > 0 {
			region := name[i+len(".s3-website"):]
			if region == "" || isRegion(strings.TrimLeft(region, ".-")) && strings.ContainsAny(region[:1], ".-") {
				return name[:i], true
			}
		}
	}
	return "", false
}
