package lambda

import (
	"context"
	"maps"
	"strings"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A tagged is something that has tags: how they are read, and written anew.
type tagged struct {
	read  func(ctx context.Context, r store.Reader) (map[string]string, error)
	write func(ctx context.Context, tx store.Tx, tags map[string]string) error
	// written, if not nil, is called when they are.
	written func()
}

// taggable is what an ARN given to the tag operations names.
func (s *Service) taggable(ctx context.Context, arn *string) (tagged, error) {
	if a, _ := aws.ParseARN(*arn); strings.HasPrefix(a.Resource, signingKind) {
		return s.taggedSigning(arn), nil
	}
	if a, _ := aws.ParseARN(*arn); strings.HasPrefix(a.Resource, capacityProviderKind) {
		return s.taggedProvider(parseProvider(ctx, arn)), nil
	}
	if uuid, ok := parseMapping(arn); ok {
		return s.taggedMapping(mappingScope(ctx), uuid), nil
	}
	at, qualifier, err := parseName(ctx, arn, nil)
	if err == nil && qualifier != "" {
		err = invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return s.taggedFunction(at), err
}

func (s *Service) taggedFunction(at ref) tagged {
	var out Egress
	return tagged{
		read: func(ctx context.Context, r store.Reader) (map[string]string, error) {
			f, err := s.function(ctx, r, at)
			if err != nil {
				return nil, err
			}
			return f.Tags, nil
		},
		write: func(ctx context.Context, tx store.Tx, tags map[string]string) error {
			if err := checkEgress(tags); err != nil {
				return err
			}
			f, err := s.change(ctx, tx, at)
			if err != nil {
				return err
			}
			f.Tags = tags
			out = s.egressOf(f)
			return put(tx, functionRecords, at.scope, f, at.name)
		},
		written: func() { s.fleet.readmit(at, out) },
	}
}

func (s *Service) taggedSigning(arn *string) tagged {
	return tagged{
		read: func(ctx context.Context, r store.Reader) (map[string]string, error) {
			c, err := s.signing(ctx, r, arn)
			return c.Tags, err
		},
		write: func(ctx context.Context, tx store.Tx, tags map[string]string) error {
			c, err := s.signing(ctx, tx, arn)
			if err != nil {
				return err
			}
			c.Tags = tags
			scope, id := parseSigning(arn)
			return signingRecords.Put(tx, scope, c, id)
		},
	}
}

// retag changes tags.
func (s *Service) retag(ctx context.Context, arn *string, change func(tags map[string]string) error) error {
	of, err := s.taggable(ctx, arn)
	if err != nil {
		return err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		had, err := of.read(ctx, tx)
		if err != nil {
			return err
		}
		tags := map[string]string{}
		maps.Copy(tags, had)
		if err := change(tags); err != nil {
			return err
		}
		return of.write(ctx, tx, tags)
	})
	if err == nil && of.written != nil {
		of.written()
	}
	return err
}

func (s *Service) tagResource(ctx context.Context, in *api.TagResourceRequest) (*aws.Empty, error) {
	if len(in.Tags) == 0 {
		return nil, invalid("An error occurred and the request cannot be processed.")
	}
	return nil, s.retag(ctx, in.Resource, func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		if len(tags) > maxTags {
			return invalid("Number of tags exceeds resource tag limit.")
		}
		return nil
	})
}

func (s *Service) untagResource(ctx context.Context, in *api.UntagResourceRequest) (*aws.Empty, error) {
	return nil, s.retag(ctx, in.Resource, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

func (s *Service) listTags(ctx context.Context, in *api.ListTagsRequest) (*api.ListTagsResponse, error) {
	of, err := s.taggable(ctx, in.Resource)
	if err != nil {
		return nil, err
	}
	out := &api.ListTagsResponse{}
	err = s.Store.View(ctx, func(r store.Reader) error {
		out.Tags, err = of.read(ctx, r)
		return err
	})
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out, err
}

// guardTags is what the tag operations need: their action on what has the tags.
func (s *Service) guardTags(ctx context.Context, arn *string, keys map[string][]string) ([]aws.Access, error) {
	if uuid, ok := parseMapping(arn); ok {
		return s.mappingAccess(ctx, uuid, nil, keys)
	}
	if a, _ := aws.ParseARN(*arn); strings.HasPrefix(a.Resource, signingKind) {
		need := s.signingAccess(arn)
		need.Keys = keys
		return []aws.Access{need}, nil
	}
	if a, _ := aws.ParseARN(*arn); strings.HasPrefix(a.Resource, capacityProviderKind) {
		need := s.providerAccess(parseProvider(ctx, arn))
		need.Keys = keys
		return []aws.Access{need}, nil
	}
	return s.needs(ctx, arn, nil, keys)
}

func (s *Service) guardTag(ctx context.Context, in *api.TagResourceRequest) ([]aws.Access, error) {
	return s.guardTags(ctx, in.Resource, aws.RequestTags(nil, in.Tags))
}

func (s *Service) guardUntag(ctx context.Context, in *api.UntagResourceRequest) ([]aws.Access, error) {
	return s.guardTags(ctx, in.Resource, map[string][]string{"aws:TagKeys": in.TagKeys})
}

func (s *Service) guardListTags(ctx context.Context, in *api.ListTagsRequest) ([]aws.Access, error) {
	return s.guardTags(ctx, in.Resource, nil)
}
