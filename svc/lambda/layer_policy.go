package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// layerPolicyRecords are the policies on versions of layers: who beside their owners may
// use them. A policy lies under the layer's name and the version's number.
var layerPolicyRecords = store.NewTable[[]byte]("lambda", "layerPolicy")

// layerPolicy reads the policy on a version of a layer, or store.ErrNotFound.
func (s *Service) layerPolicy(ctx context.Context, r store.Reader, l layerRef, number int64) (*policy, error) {
	return s.records.policies.get(ctx, r, layerPolicyRecords, l.scope, l.name, number)
}

// layerAccess is what an action on a version of a layer needs. The operation's own action
// is meant by "".
func (s *Service) layerAccess(action string, l layerRef, number int64) aws.Access {
	return aws.Access{Action: action, Resource: l.arn(number), Policy: func(ctx context.Context) (text string, err error) {
		err = s.Store.View(ctx, func(r store.Reader) error {
			p, err := s.layerPolicy(ctx, r, l, number)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err == nil {
				text = p.Document
			}
			return err
		})
		return text, err
	}}
}

// onLayer is the guard of an operation on one version of a layer.
func onLayer[In any](s *Service, names func(in *In) (name *string, number *int64)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, number := names(in)
		if err := checkLayerNumber(number); err != nil {
			return nil, err
		}
		return []aws.Access{s.layerAccess("", parseLayer(ctx, name), *number)}, nil
	}
}

func (s *Service) guardLayerByArn(_ context.Context, in *api.GetLayerVersionByArnRequest) ([]aws.Access, error) {
	return s.useLayers([]string{*in.Arn}), nil
}

func (s *Service) guardPublishLayer(ctx context.Context, in *api.PublishLayerVersionRequest) ([]aws.Access, error) {
	return []aws.Access{{Resource: parseLayer(ctx, in.LayerName).arn(0)}}, nil
}

// useLayers is the permission to use layers, which whoever attaches them needs: in an
// account of others, by the policy on the layer too.
// https://docs.aws.amazon.com/lambda/latest/dg/permissions-layer-cross-account.html
func (s *Service) useLayers(layers []string) []aws.Access {
	var needs []aws.Access
	for _, arn := range layers {
		need := aws.Access{Action: api.GetLayerVersion.IAMAction(), Resource: arn}
		if l, number, ok := parseLayerVersion(arn); ok {
			need = s.layerAccess(need.Action, l, number)
		}
		needs = append(needs, need)
	}
	return needs
}

func (s *Service) addLayerVersionPermission(ctx context.Context, in *api.AddLayerVersionPermissionRequest) (*api.AddLayerVersionPermissionResponse, error) {
	if err := checkLayerNumber(in.VersionNumber); err != nil {
		return nil, err
	}
	l, number := parseLayer(ctx, in.LayerName), *in.VersionNumber
	st, err := layerStatement(in, l.arn(number))
	if err != nil {
		return nil, err
	}
	var p *policy
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if p, err = s.standingPolicy(ctx, tx, l, number, in.RevisionId); err != nil {
			return err
		}
		if slices.ContainsFunc(p.Statements, func(have statement) bool { return have.Sid == st.Sid }) {
			return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", st.Sid)
		}
		if p, err = s.newPolicy(append(slices.Clone(p.Statements), st)); err != nil {
			return err
		}
		return put(tx, layerPolicyRecords, l.scope, p, l.name, number)
	})
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(st)
	return &api.AddLayerVersionPermissionResponse{Statement: ptr(string(b)), RevisionId: &p.Revision}, err
}

// layerStatement is the statement that a permission adds.
func layerStatement(in *api.AddLayerVersionPermissionRequest, arn string) (statement, error) {
	st := statement{Sid: *in.StatementId, Effect: "Allow", Action: *in.Action, Resource: arn}
	switch who := *in.Principal; {
	case who == "*":
		st.Principal = "*"
	case aws.ValidAccount(who):
		st.Principal = map[string]string{"AWS": aws.NewARN("iam", "", who, "root").String()}
	default:
		st.Principal = map[string]string{"AWS": who}
	}
	if in.OrganizationId == nil || *in.OrganizationId == "" {
		return st, nil
	}
	if st.Principal != "*" {
		return st, invalid("The principal must be * when an organization ID is specified.")
	}
	st.Condition = &condition{StringEquals: map[string]string{"aws:PrincipalOrgID": *in.OrganizationId}}
	return st, nil
}

// standingPolicy reads the policy on a version of a layer that stands; an empty one if it
// has none. Its revision must be the one expected; nil expects any.
func (s *Service) standingPolicy(ctx context.Context, r store.Reader, l layerRef, number int64, revision *string) (*policy, error) {
	if has, err := layerVersionRecords.Has(ctx, r, l.scope, l.name, number); err != nil || !has {
		return nil, cmpError(err, notFound("Layer version %s does not exist.", l.arn(number)))
	}
	p, err := s.layerPolicy(ctx, r, l, number)
	if errors.Is(err, store.ErrNotFound) {
		p, err = &policy{}, nil
	}
	if err == nil && revision != nil && *revision != p.Revision {
		err = revisionConflict("GetLayerPolicy")
	}
	return p, err
}

func (s *Service) getLayerVersionPolicy(ctx context.Context, in *api.GetLayerVersionPolicyRequest) (*api.GetLayerVersionPolicyResponse, error) {
	if err := checkLayerNumber(in.VersionNumber); err != nil {
		return nil, err
	}
	var p *policy
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		p, err = s.standingPolicy(ctx, r, parseLayer(ctx, in.LayerName), *in.VersionNumber, nil)
		return err
	})
	if err == nil && len(p.Statements) == 0 {
		err = notFound("No policy is associated with the given resource.")
	}
	if err != nil {
		return nil, err
	}
	return &api.GetLayerVersionPolicyResponse{Policy: &p.Document, RevisionId: &p.Revision}, nil
}

func (s *Service) removeLayerVersionPermission(ctx context.Context, in *api.RemoveLayerVersionPermissionRequest) (*aws.Empty, error) {
	if err := checkLayerNumber(in.VersionNumber); err != nil {
		return nil, err
	}
	l, number := parseLayer(ctx, in.LayerName), *in.VersionNumber
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := s.standingPolicy(ctx, tx, l, number, in.RevisionId)
		if err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(p.Statements), func(st statement) bool { return st.Sid == *in.StatementId })
		switch len(rest) {
		case len(p.Statements):
			return notFound("Statement %s is not found in resource policy.", *in.StatementId)
		case 0:
			return layerPolicyRecords.Delete(tx, l.scope, l.name, number)
		}
		if p, err = s.newPolicy(rest); err != nil {
			return err
		}
		return put(tx, layerPolicyRecords, l.scope, p, l.name, number)
	})
}
