package ssm

import (
	"context"
	"strconv"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// on is the operation's own action on a parameter, by its name or ARN.
func (s *Service) on(ctx context.Context, text string) aws.Access {
	scope, name := scopeFor(scopeOf(ctx), text), selected(text).name
	tags := func(ctx context.Context) (tags map[string]string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			p, err := s.find(ctx, r, scope, name)
			if tags = p.Tags; api.ParameterNotFound("").Is(err) {
				return nil
			}
			return err
		})
		return tags, err
	}
	// Systems Manager writes its own key for tags with a small r.
	return aws.Access{Resource: arnOf(scope, name), Keys: map[string][]string{}, Tags: tags,
		Late: aws.LateTags("ssm:resourceTag/", tags)}
}

// kinds are how the ARNs begin of what has tags.
var kinds = map[string]string{
	api.ResourceTypeForTaggingDocument: "document/", api.ResourceTypeForTaggingManagedInstance: "managed-instance/",
	api.ResourceTypeForTaggingMaintenanceWindow: "maintenancewindow/", api.ResourceTypeForTaggingPatchBaseline: "patchbaseline/",
	api.ResourceTypeForTaggingOpsItem: "opsitem/", api.ResourceTypeForTaggingOpsMetadata: "opsmetadata/",
	api.ResourceTypeForTaggingAutomation: "automation-execution/", api.ResourceTypeForTaggingAssociation: "association/",
}

// tagging is the operation's own action on what has tags.
func (s *Service) tagging(ctx context.Context, kind, id *string) aws.Access {
	if prefix, other := kinds[*kind]; other {
		scope := scopeOf(ctx)
		return aws.Access{Resource: aws.NewARN("ssm", scope.Region, scope.Account, prefix+*id).String(), Keys: map[string][]string{}}
	}
	return s.on(ctx, *id)
}

func (s *Service) many(ctx context.Context, names []string) ([]aws.Access, error) {
	var needs []aws.Access
	for _, name := range names {
		needs = append(needs, s.on(ctx, name))
	}
	return needs, nil
}

func tagMap(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return tags
}

func (s *Service) guardPut(ctx context.Context, in *api.PutParameterRequest) ([]aws.Access, error) {
	need := s.on(ctx, *in.Name)
	need.Keys["ssm:Overwrite"] = []string{strconv.FormatBool(aws.Value(in.Overwrite))}
	aws.RequestTags(need.Keys, tagMap(in.Tags))
	if list, err := parsePolicies(aws.Value(in.Policies)); err == nil {
		for _, p := range list {
			need.Keys["ssm:Policies"] = append(need.Keys["ssm:Policies"], p.Type)
		}
	}
	if len(in.Tags) == 0 {
		return []aws.Access{need}, nil
	}
	tag := s.on(ctx, *in.Name)
	tag.Action = api.AddTagsToResource.IAMAction()
	aws.RequestTags(tag.Keys, tagMap(in.Tags))
	return []aws.Access{need, tag}, nil
}

func (s *Service) guardGet(ctx context.Context, in *api.GetParameterRequest) ([]aws.Access, error) {
	return []aws.Access{s.on(ctx, *in.Name)}, nil
}

func (s *Service) guardGetMany(ctx context.Context, in *api.GetParametersRequest) ([]aws.Access, error) {
	return s.many(ctx, in.Names)
}

func (s *Service) guardGetByPath(ctx context.Context, in *api.GetParametersByPathRequest) ([]aws.Access, error) {
	need := s.on(ctx, *in.Path)
	need.Keys["ssm:Recursive"] = []string{strconv.FormatBool(aws.Value(in.Recursive))}
	return []aws.Access{need}, nil
}

func (s *Service) guardHistory(ctx context.Context, in *api.GetParameterHistoryRequest) ([]aws.Access, error) {
	return []aws.Access{s.on(ctx, *in.Name)}, nil
}

func (s *Service) guardDelete(ctx context.Context, in *api.DeleteParameterRequest) ([]aws.Access, error) {
	return []aws.Access{s.on(ctx, *in.Name)}, nil
}

func (s *Service) guardDeleteMany(ctx context.Context, in *api.DeleteParametersRequest) ([]aws.Access, error) {
	return s.many(ctx, in.Names)
}

func (s *Service) guardLabel(ctx context.Context, in *api.LabelParameterVersionRequest) ([]aws.Access, error) {
	return []aws.Access{s.on(ctx, *in.Name)}, nil
}

func (s *Service) guardUnlabel(ctx context.Context, in *api.UnlabelParameterVersionRequest) ([]aws.Access, error) {
	return []aws.Access{s.on(ctx, *in.Name)}, nil
}

func (s *Service) guardTag(ctx context.Context, in *api.AddTagsToResourceRequest) ([]aws.Access, error) {
	need := s.tagging(ctx, in.ResourceType, in.ResourceId)
	aws.RequestTags(need.Keys, tagMap(in.Tags))
	return []aws.Access{need}, nil
}

func (s *Service) guardUntag(ctx context.Context, in *api.RemoveTagsFromResourceRequest) ([]aws.Access, error) {
	need := s.tagging(ctx, in.ResourceType, in.ResourceId)
	need.Keys["aws:TagKeys"] = in.TagKeys
	return []aws.Access{need}, nil
}

func (s *Service) guardListTags(ctx context.Context, in *api.ListTagsForResourceRequest) ([]aws.Access, error) {
	return []aws.Access{s.tagging(ctx, in.ResourceType, in.ResourceId)}, nil
}
