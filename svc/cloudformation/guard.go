package cloudformation

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudformation"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// access is the operation's own action on a stack, by its name or id.
func (s *Service) access(ctx context.Context, nameOrID string) (aws.Access, error) {
	scope := scopeOf(ctx)
	need := aws.Access{Resource: nameOrID, Keys: map[string][]string{}}
	if !strings.HasPrefix(nameOrID, "arn:") {
		need.Resource = aws.NewARN("cloudformation", scope.Region, scope.Account, "stack/"+nameOrID+"/*").String()
	}
	var tags map[string]string
	need.Tags = func(context.Context) (map[string]string, error) { return tags, nil }
	err := s.Store.View(ctx, func(r store.Reader) error {
		st, err := findStack(ctx, r, scope, nameOrID)
		if err == nil {
			need.Resource, tags = st.ID, st.Tags
		} else if aws.CodeOf(err) != "" {
			err = nil // the handler says that there is none
		}
		return err
	})
	return need, err
}

// onStack is the guard of operations on one stack; on all where none is named.
func onStack[In any](s *Service, name func(*In) *string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		p := name(in)
		if p == nil {
			p = new("*")
		}
		need, err := s.access(ctx, *p)
		return []aws.Access{need}, err
	}
}

// passed is the permission to hand a role to CloudFormation.
func passed(needs []aws.Access, role *string) []aws.Access {
	if aws.Value(role) == "" {
		return needs
	}
	needs[0].Keys["cloudformation:RoleArn"] = []string{*role}
	return append(needs, aws.Access{Action: "iam:PassRole", Resource: *role, Keys: map[string][]string{
		"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {needs[0].Resource}}})
}

func tagKeys(list []api.Tag) map[string]string {
	tags := map[string]string{}
	for _, t := range list {
		tags[aws.Value(t.Key)] = aws.Value(t.Value)
	}
	return tags
}

// keys sets the condition keys of what makes or changes stacks.
func keys(need *aws.Access, templateURL, policyURL *string, types []string, tags []api.Tag) {
	for key, value := range map[string]*string{"cloudformation:TemplateUrl": templateURL, "cloudformation:StackPolicyUrl": policyURL} {
		if value != nil {
			need.Keys[key] = []string{*value}
		}
	}
	if len(types) > 0 {
		need.Keys["cloudformation:ResourceTypes"] = types
	}
	aws.RequestTags(need.Keys, tagKeys(tags))
}

func (s *Service) guardCreate(ctx context.Context, in *api.CreateStackInput) ([]aws.Access, error) {
	need, err := s.access(ctx, *in.StackName)
	keys(&need, in.TemplateURL, in.StackPolicyURL, in.ResourceTypes, in.Tags)
	return passed([]aws.Access{need}, in.RoleARN), err
}

func (s *Service) guardDelete(ctx context.Context, in *api.DeleteStackInput) ([]aws.Access, error) {
	need, err := s.access(ctx, *in.StackName)
	return passed([]aws.Access{need}, in.RoleARN), err
}

func (s *Service) guardUpdate(ctx context.Context, in *api.UpdateStackInput) ([]aws.Access, error) {
	need, err := s.access(ctx, *in.StackName)
	keys(&need, in.TemplateURL, in.StackPolicyURL, in.ResourceTypes, in.Tags)
	return passed([]aws.Access{need}, in.RoleARN), err
}

func (s *Service) guardContinue(ctx context.Context, in *api.ContinueUpdateRollbackInput) ([]aws.Access, error) {
	need, err := s.access(ctx, *in.StackName)
	return passed([]aws.Access{need}, in.RoleARN), err
}

func (s *Service) guardCreateSet(ctx context.Context, in *api.CreateChangeSetInput) ([]aws.Access, error) {
	need, err := s.access(ctx, *in.StackName)
	keys(&need, in.TemplateURL, nil, in.ResourceTypes, in.Tags)
	need.Keys["cloudformation:ChangeSetName"] = []string{*in.ChangeSetName}
	if in.ResourcesToImport != nil {
		need.Keys["cloudformation:ImportResourceTypes"] = importTypes(in.ResourcesToImport)
	}
	return passed([]aws.Access{need}, in.RoleARN), err
}

func importTypes(list []api.ResourceToImport) []string {
	var types []string
	for _, r := range list {
		types = append(types, aws.Value(r.ResourceType))
	}
	return types
}

// onSet is the guard of operations on one change set: on its stack.
func onSet[In any](s *Service, name func(*In) (stack, set *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		stack, set := name(in)
		if stack == nil {
			stack = new("*")
			err := s.Store.View(ctx, func(r store.Reader) error {
				st, _, err := findSet(ctx, r, scopeOf(ctx), nil, *set)
				if err == nil {
					*stack = st.ID
				} else if aws.CodeOf(err) != "" {
					err = nil // the handler says that there is none
				}
				return err
			})
			if err != nil {
				return nil, err
			}
		}
		need, err := s.access(ctx, *stack)
		need.Keys["cloudformation:ChangeSetName"] = []string{*set}
		return []aws.Access{need}, err
	}
}

// onTemplate is the guard of operations on a template that is no stack's.
func onTemplate[In any](url func(*In) *string) aws.Guard[In] {
	return func(_ context.Context, in *In) ([]aws.Access, error) {
		need := aws.Access{Resource: "*", Keys: map[string][]string{}}
		if u := url(in); u != nil {
			need.Keys["cloudformation:TemplateUrl"] = []string{*u}
		}
		return []aws.Access{need}, nil
	}
}

func (s *Service) guardSummary(ctx context.Context, in *api.GetTemplateSummaryInput) ([]aws.Access, error) {
	if in.StackName == nil {
		return onTemplate(func(in *api.GetTemplateSummaryInput) *string { return in.TemplateURL })(ctx, in)
	}
	need, err := s.access(ctx, *in.StackName)
	keys(&need, in.TemplateURL, nil, nil, nil)
	return []aws.Access{need}, err
}
