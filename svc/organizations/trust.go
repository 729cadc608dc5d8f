package organizations

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// trustRoutes are the operations on which services an organization trusts.
func (s *Service) trustRoutes() []aws.Route {
	return []aws.Route{
		api.EnableAWSServiceAccess.To(s.enableServiceAccess, onWith(s, management, func(*api.EnableAWSServiceAccessRequest) []string { return nil },
			func(in *api.EnableAWSServiceAccessRequest) map[string][]string {
				return serviceKey(in.ServicePrincipal)
			})),
		api.DisableAWSServiceAccess.To(s.disableServiceAccess, onWith(s, management, func(*api.DisableAWSServiceAccessRequest) []string { return nil },
			func(in *api.DisableAWSServiceAccessRequest) map[string][]string {
				return serviceKey(in.ServicePrincipal)
			})),
		api.ListAWSServiceAccessForOrganization.To(s.listServiceAccess, anywhere[api.ListAWSServiceAccessForOrganizationRequest](s, reader)),
	}
}

// recognized refuses what does not name a service.
func recognized(principal string) error {
	if name, ok := strings.CutSuffix(principal, ".amazonaws.com"); ok && name != "" {
		return nil
	}
	return invalid(api.InvalidInputExceptionReasonUnrecognizedServicePrincipal, "You specified an unrecognized service principal.")
}

func (s *Service) enableServiceAccess(ctx context.Context, in *api.EnableAWSServiceAccessRequest) (*aws.Empty, error) {
	if err := recognized(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		if o.Features != api.OrganizationFeatureSetAll {
			return constraint(api.ConstraintViolationExceptionReasonOrganizationNotInAllFeaturesMode,
				"You can enable service access only in an organization with all features enabled.")
		}
		if _, have := o.Services[*in.ServicePrincipal]; have {
			return nil
		}
		if o.Services == nil {
			o.Services = map[string]time.Time{}
		}
		o.Services[*in.ServicePrincipal] = s.now()
		return o.save(tx)
	})
}

func (s *Service) disableServiceAccess(ctx context.Context, in *api.DisableAWSServiceAccessRequest) (*aws.Empty, error) {
	if err := recognized(*in.ServicePrincipal); err != nil {
		return nil, err
	}
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		delete(o.Services, *in.ServicePrincipal)
		return o.save(tx)
	})
}

func (s *Service) listServiceAccess(ctx context.Context, in *api.ListAWSServiceAccessForOrganizationRequest) (*api.ListAWSServiceAccessForOrganizationResponse, error) {
	out := &api.ListAWSServiceAccessForOrganizationResponse{}
	return out, s.view(ctx, reader, func(_ store.Reader, o *organization) (err error) {
		out.EnabledServicePrincipals, out.NextToken, err = cut(slices.Collect(maps.Keys(o.Services)), page{in.NextToken, in.MaxResults},
			func(name string) api.EnabledServicePrincipal {
				return api.EnabledServicePrincipal{ServicePrincipal: &name, DateEnabled: ptr(o.Services[name])}
			})
		return err
	})
}
