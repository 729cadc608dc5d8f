package apigateway

import (
	"context"
	"maps"
	"net/url"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// maxTags is how many tags a resource has at most.
const maxTags = 50

// tagged is what carries tags: an API, one of its stages, an API key, a usage plan, a domain
// name, a client certificate or a VPC link.
type tagged struct{ apiID, stage, key, plan, domain, certificate, link string }

// parseTagged reads arn:aws:apigateway:REGION::/restapis/ID[/stages/NAME], …/apikeys/ID,
// …/usageplans/ID, …/domainnames/NAME, …/clientcertificates/ID and …/vpclinks/ID.
func parseTagged(ctx context.Context, text *string) (tagged, error) {
	raw := aws.Value(text)
	if plain, err := url.PathUnescape(raw); err == nil {
		raw = plain
	}
	arn, ok := aws.ParseARN(raw)
	parts := strings.Split(strings.TrimPrefix(arn.Resource, "/"), "/")
	if !ok || arn.Service != service || arn.Region != aws.RequestOf(ctx).Region {
		return tagged{}, api.BadRequestException("Invalid ARN specified in the request")
	}
	switch {
	case len(parts) == 2 && parts[0] == "restapis":
		return tagged{apiID: parts[1]}, nil
	case len(parts) == 2 && parts[0] == "apikeys":
		return tagged{key: parts[1]}, nil
	case len(parts) == 2 && parts[0] == "usageplans":
		return tagged{plan: parts[1]}, nil
	case len(parts) == 2 && parts[0] == "domainnames":
		return tagged{domain: parts[1]}, nil
	case len(parts) == 2 && parts[0] == "clientcertificates":
		return tagged{certificate: parts[1]}, nil
	case len(parts) == 2 && parts[0] == "vpclinks":
		return tagged{link: parts[1]}, nil
	case len(parts) == 4 && parts[0] == "restapis" && parts[2] == "stages":
		return tagged{apiID: parts[1], stage: parts[3]}, nil
	}
	return tagged{}, api.NotFoundException("Invalid Resource identifier specified")
}

// retag writes what change makes of the tags.
func (s *Service) retag(ctx context.Context, arn *string, change func(tags map[string]string)) error {
	on, err := parseTagged(ctx, arn)
	if err != nil {
		return err
	}
	apply := func(old map[string]string) (map[string]string, error) {
		tags := maps.Clone(old)
		if tags == nil {
			tags = map[string]string{}
		}
		if change(tags); len(tags) > maxTags {
			return nil, api.LimitExceededException("Too many tags: %d, the limit is %d", len(tags), maxTags)
		}
		return tags, nil
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		tags, write, err := on.read(ctx, tx)
		if err != nil {
			return err
		}
		if tags, err = apply(tags); err != nil {
			return err
		}
		return write(tx, tags)
	})
}

// read is the tags, and what writes others in their place.
func (on tagged) read(ctx context.Context, r store.Reader) (tags map[string]string, write func(store.Tx, map[string]string) error, err error) {
	at := scope(ctx)
	switch {
	case on.stage != "":
		st, err := readStage(ctx, r, at, on.apiID, on.stage)
		if err != nil {
			return nil, nil, err
		}
		return st.Tags, func(tx store.Tx, tags map[string]string) error {
			st.Tags = tags
			return writeStage(tx, at, on.apiID, st)
		}, nil
	case on.key != "":
		k, err := readKey(ctx, r, &on.key)
		return k.Tags, func(tx store.Tx, tags map[string]string) error {
			k.Tags = tags
			return apiKeys.Put(tx, at, k, *k.Id)
		}, err
	case on.plan != "":
		p, err := readPlan(ctx, r, &on.plan)
		return p.Tags, func(tx store.Tx, tags map[string]string) error {
			p.Tags = tags
			return plans.Put(tx, at, p, *p.Id)
		}, err
	}
	if on.apiID == "" {
		return on.readAccess(ctx, r)
	}
	a, err := lookup(ctx, r, &on.apiID)
	return a.Tags, func(tx store.Tx, tags map[string]string) error {
		a.Tags = tags
		return apis.Put(tx, at, a, *a.Id)
	}, err
}

// readAccess is read for what access is by.
func (on tagged) readAccess(ctx context.Context, r store.Reader) (tags map[string]string, write func(store.Tx, map[string]string) error, err error) {
	at := scope(ctx)
	switch {
	case on.domain != "":
		n, err := readDomain(ctx, r, &on.domain)
		return n.Tags, func(tx store.Tx, tags map[string]string) error {
			n.Tags = tags
			return domain.Put(tx, at, n)
		}, err
	case on.certificate != "":
		c, err := readCertificate(ctx, r, &on.certificate)
		return c.Tags, func(tx store.Tx, tags map[string]string) error {
			c.Tags = tags
			return clientCertificates.Put(tx, at, c, c.ID)
		}, err
	}
	l, err := readLink(ctx, r, &on.link)
	return l.Tags, func(tx store.Tx, tags map[string]string) error {
		l.Tags = tags
		return vpcLinks.Put(tx, at, l, *l.Id)
	}, err
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) { maps.Copy(tags, in.Tags) })
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.ResourceArn, func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
}

func (s *Service) getTags(ctx context.Context, in *api.GetTagsRequest) (*api.Tags, error) {
	on, err := parseTagged(ctx, in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(r store.Reader) (*api.Tags, error) {
		tags, _, err := on.read(ctx, r)
		if tags == nil {
			tags = map[string]string{}
		}
		return &api.Tags{Tags: tags}, err
	})
}
