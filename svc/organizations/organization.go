package organizations

import (
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An organization is kept with the account that manages it.
type organization struct {
	ID         string // "o-…"
	Management string // the account
	Root       string // "r-…"
	Features   string // ALL or CONSOLIDATED_BILLING
	// Types are the policy types that are enabled in the root.
	Types []string `json:",omitempty"`
	// Services are the service principals that are trusted, and since when.
	Services map[string]time.Time `json:",omitempty"`
	Policy   *resourcePolicy      `json:",omitempty"`
}

// A profile is what is known of an account whether it is in an organization or not.
type profile struct {
	Name, Email  string
	Organization string `json:",omitempty"` // the account that manages it
}

var (
	organizations = store.NewTable[organization]("organizations", "organization") // "organization"
	profiles      = store.NewTable[profile]("organizations", "profile")           // "profile"
	// owners are, for the installation as a whole, the accounts behind addresses.
	owners = store.NewTable[string]("organizations", "email") // in lower case
)

func (s *Service) organizationRoutes() []aws.Route {
	return []aws.Route{
		api.CreateOrganization.To(s.createOrganization, aws.Anywhere),
		api.DescribeOrganization.To(s.describeOrganization, aws.Anywhere),
		api.DeleteOrganization.To(s.deleteOrganization, aws.Anywhere),
	}
}

// A standing is what a caller must be in the organization.
type standing int

const (
	member     standing = iota // any of its accounts
	reader                     // the management account, a delegated administrator, or by resource policy
	steward                    // the management account, or by resource policy
	management                 // the management account
)

// profileOf reads what is known of an account; an account that nothing is known of is
// named by its id.
func profileOf(ctx context.Context, r store.Reader, account string) (profile, error) {
	p, err := profiles.Get(ctx, r, scope(account), "profile")
	if missing(err) {
		return profile{Name: account, Email: account + "@account.invalid"}, nil
	}
	return p, err
}

func (p profile) save(tx store.Tx, account string) error {
	return errors.Join(profiles.Put(tx, scope(account), p, "profile"),
		owners.Put(tx, store.Scope{}, account, strings.ToLower(p.Email)))
}

// of reads the organization that an account is in; nil for none.
func of(ctx context.Context, r store.Reader, account string) (*organization, error) {
	p, err := profiles.Get(ctx, r, scope(account), "profile")
	if err != nil || p.Organization == "" {
		return nil, ignoreMissing(err)
	}
	o, err := organizations.Get(ctx, r, scope(p.Organization), "organization")
	if err != nil {
		return nil, ignoreMissing(err)
	}
	return &o, nil
}

// admitted is the caller's organization, if the caller is of that standing in it.
// Whether a resource policy gives it, the guards have had the policies say.
func admitted(ctx context.Context, r store.Reader, who standing) (*organization, error) {
	a := account(ctx)
	o, err := of(ctx, r, a)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return nil, notInUse()
	}
	if who == member || a == o.Management || who != management && o.Policy != nil {
		return o, nil
	}
	if who == reader {
		delegated, err := o.delegates(ctx, r, a)
		if err != nil || delegated {
			return o, err
		}
	}
	return nil, forbidden()
}

func (o *organization) save(tx store.Tx) error {
	return organizations.Put(tx, scope(o.Management), *o, "organization")
}

// arn is the ARN of a part of the organization: "account/o-…/111111111111".
func (o *organization) arn(kind string, rest ...string) string {
	resource := kind + "/" + strings.Join(append([]string{o.ID}, rest...), "/")
	return aws.NewARN("organizations", "", o.Management, resource).String()
}

func (o *organization) api(ctx context.Context, r store.Reader) (*api.Organization, error) {
	p, err := profileOf(ctx, r, o.Management)
	if err != nil {
		return nil, err
	}
	out := &api.Organization{Id: &o.ID, Arn: ptr(o.arn("organization")), FeatureSet: &o.Features, MasterAccountId: &o.Management,
		MasterAccountArn: ptr(o.arn("account", o.Management)), MasterAccountEmail: &p.Email, AvailablePolicyTypes: []api.PolicyTypeSummary{}}
	if o.Features == api.OrganizationFeatureSetAll {
		out.AvailablePolicyTypes = append(out.AvailablePolicyTypes, api.PolicyTypeSummary{
			Type: ptr(api.PolicyTypeServiceControlPolicy), Status: ptr(api.PolicyTypeStatusEnabled)})
	}
	return out, nil
}

// createOrganization founds an organization that the caller's account manages. No
// policy type is enabled at first, as AWS does it, not as its documentation says.
func (s *Service) createOrganization(ctx context.Context, in *api.CreateOrganizationRequest) (*api.CreateOrganizationResponse, error) {
	out := &api.CreateOrganizationResponse{}
	id, root := "o-"+aws.RandomID(s.Random, aws.LowerAlnm, 10), "r-"+aws.RandomID(s.Random, aws.LowerAlnm, 4)
	a := account(ctx)
	return out, s.update(ctx, func(tx store.Tx) error {
		have, err := of(ctx, tx, a)
		if err != nil {
			return err
		}
		if have != nil {
			return api.AlreadyInOrganizationException("The provided account is already a member of an organization.")
		}
		o := &organization{ID: id, Management: a, Root: root, Features: api.OrganizationFeatureSetAll}
		if in.FeatureSet != nil {
			o.Features = *in.FeatureSet
		}
		if err := o.put(tx, &node{ID: root, Name: "Root"}); err != nil {
			return err
		}
		if err := o.join(ctx, tx, a, api.AccountJoinedMethodInvited, s.now(), nil); err != nil {
			return err
		}
		if out.Organization, err = o.api(ctx, tx); err != nil {
			return err
		}
		return o.save(tx)
	})
}

// describeOrganization tells a member which organization it is in.
func (s *Service) describeOrganization(ctx context.Context, _ *aws.Empty) (*api.DescribeOrganizationResponse, error) {
	out := &api.DescribeOrganizationResponse{}
	return out, s.view(ctx, member, func(r store.Reader, o *organization) (err error) {
		out.Organization, err = o.api(ctx, r)
		return err
	})
}

// deleteOrganization dissolves an organization in which nobody is left.
func (s *Service) deleteOrganization(ctx context.Context, _ *aws.Empty) (*aws.Empty, error) {
	return nil, s.change(ctx, management, func(tx store.Tx, o *organization) error {
		for n, err := range o.nodes(ctx, tx) {
			if err != nil {
				return err
			}
			if n.account() && n.ID != o.Management {
				return api.OrganizationNotEmptyException("To delete an organization you must first remove all member accounts (except the master).")
			}
		}
		p, err := profileOf(ctx, tx, o.Management)
		if err != nil {
			return err
		}
		if err := s.cancelAll(ctx, tx, o); err != nil {
			return err
		}
		p.Organization = ""
		at := scope(o.Management)
		return errors.Join(p.save(tx, o.Management), nodes.DeleteAll(tx, at), children.DeleteAll(tx, at), policies.DeleteAll(tx, at),
			requests.DeleteAll(tx, at), organizations.Delete(tx, at, "organization"))
	})
}
