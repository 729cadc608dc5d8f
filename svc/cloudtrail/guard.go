package cloudtrail

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// onTrail guards operations on the trail that find finds in the input.
func onTrail[In any](s *Service, find func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		need, err := s.access(ctx, find(in))
		return []aws.Access{need}, err
	}
}

// access is what a call needs on a trail. A name that comes here from another region is
// the trail of there; one that cannot be anybody's is left to be refused.
func (s *Service) access(ctx context.Context, text *string) (aws.Access, error) {
	n, err := parseTrail(ctx, aws.Value(text))
	if err != nil {
		return aws.Access{Resource: "*"}, nil
	}
	if !n.whole {
		_, manager, err := s.organization(ctx, n.account)
		if err != nil {
			return aws.Access{}, err
		}
		err = s.Store.View(ctx, func(r store.Reader) error {
			t, err := s.find(ctx, r, n, manager)
			if err == nil {
				n.account, n.region = t.Account, t.Region
			}
			var e *aws.Error
			if errors.As(err, &e) {
				return nil
			}
			return err
		})
		if err != nil {
			return aws.Access{}, err
		}
	}
	need := aws.Access{Resource: n.arn(), Tags: s.tags(n)}
	if own := aws.RequestOf(ctx).Account(); n.account != own {
		need.Policy = s.membersPolicy(n, own)
	}
	return need, nil
}

// membersPolicy is what lets the members of an organization look at its trails, if their
// own policies do, too.
func (s *Service) membersPolicy(n *trailName, member string) func(context.Context) (string, error) {
	return func(ctx context.Context) (text string, err error) {
		_, manager, err := s.organization(ctx, member)
		if err != nil || manager != n.account {
			return "", err
		}
		err = s.Store.View(ctx, func(r store.Reader) error {
			t, err := trails.Get(ctx, r, store.Scope{Account: n.account}, n.region, n.name)
			if text = ""; err == nil && t.Organization {
				text = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"` + member + `"},"Action":["cloudtrail:Get*","cloudtrail:ListTags"],"Resource":"*"}}`
			}
			return missing(err)
		})
		return text, err
	}
}

func missing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// passing is the permission to hand a role to CloudTrail.
func passing(n aws.Access, role *string) []aws.Access {
	if _, ok := aws.ParseARN(aws.Value(role)); !ok {
		return nil
	}
	return []aws.Access{{Action: "iam:PassRole", Resource: *role, Keys: map[string][]string{
		"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {n.Resource}}}}
}

func (s *Service) guardCreateTrail(ctx context.Context, in *api.CreateTrailRequest) ([]aws.Access, error) {
	need, err := s.access(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	need.Keys = aws.RequestTags(nil, tagValues(in.TagsList))
	return append([]aws.Access{need}, passing(need, in.CloudWatchLogsRoleArn)...), nil
}

func (s *Service) guardUpdateTrail(ctx context.Context, in *api.UpdateTrailRequest) ([]aws.Access, error) {
	need, err := s.access(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return append([]aws.Access{need}, passing(need, in.CloudWatchLogsRoleArn)...), nil
}

func (s *Service) guardAddTags(ctx context.Context, in *api.AddTagsRequest) ([]aws.Access, error) {
	need, err := s.access(ctx, in.ResourceId)
	need.Keys = aws.RequestTags(nil, tagValues(in.TagsList))
	return []aws.Access{need}, err
}

func (s *Service) guardRemoveTags(ctx context.Context, in *api.RemoveTagsRequest) ([]aws.Access, error) {
	need, err := s.access(ctx, in.ResourceId)
	keys := []string{}
	for _, t := range in.TagsList {
		keys = append(keys, aws.Value(t.Key))
	}
	need.Keys = map[string][]string{"aws:TagKeys": keys}
	return []aws.Access{need}, err
}

func (s *Service) guardListTags(ctx context.Context, in *api.ListTagsRequest) ([]aws.Access, error) {
	if len(in.ResourceIdList) == 0 {
		return []aws.Access{{Resource: "*"}}, nil
	}
	var needs []aws.Access
	for i := range in.ResourceIdList {
		need, err := s.access(ctx, &in.ResourceIdList[i])
		if err != nil {
			return nil, err
		}
		needs = append(needs, need)
	}
	return needs, nil
}

func tagValues(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return tags
}
