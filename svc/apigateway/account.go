package apigateway

import (
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/apigateway"
	sts "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An account's settings in a region.
type account struct {
	LogRole string `json:"logRole,omitempty"` // under which execution logs are written
}

func readAccount(ctx context.Context, r store.Reader, at store.Scope) (account, error) {
	a, err := accounts.Get(ctx, r, at, "")
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return a, err
}

// burst is how many requests at once an account may have answered: of what comes in a
// second half, as AWS's 5,000 are of its 10,000.
func (s *Service) burst() int32 { return max(1, int32(s.Rate/2)) }

func (s *Service) describeAccount(a account) *api.Account {
	out := &api.Account{ApiKeyVersion: ptr("4"), Features: []string{"UsagePlans"}}
	if s.Rate > 0 {
		out.ThrottleSettings = &api.ThrottleSettings{BurstLimit: ptr(s.burst()), RateLimit: &s.Rate}
	}
	if a.LogRole != "" {
		out.CloudwatchRoleArn = &a.LogRole
	}
	return out
}

func (s *Service) getAccount(ctx context.Context, _ *api.GetAccountRequest) (*api.Account, error) {
	return view(ctx, s, func(r store.Reader) (*api.Account, error) {
		a, err := readAccount(ctx, r, scope(ctx))
		return s.describeAccount(a), err
	})
}

func (s *Service) updateAccount(ctx context.Context, in *api.UpdateAccountRequest) (*api.Account, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	role := new(string)
	for _, p := range ops {
		switch p.path {
		case "/cloudwatchRoleArn":
			if role = p.text(); role == nil {
				role = new(string)
			} else if err := s.checkLogRole(ctx, *role); err != nil {
				return nil, err
			}
		case "/features":
		default:
			return nil, badPath(p.path)
		}
	}
	return update(ctx, s, func(tx store.Tx) (*api.Account, error) {
		a, err := readAccount(ctx, tx, scope(ctx))
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if p.path == "/cloudwatchRoleArn" {
				a.LogRole = *role
			}
		}
		return s.describeAccount(a), accounts.Put(tx, scope(ctx), a, "")
	})
}

// checkLogRole tries whether API Gateway may take the role on.
func (s *Service) checkLogRole(ctx context.Context, role string) error {
	if !isRole(role) {
		return api.BadRequestException("Invalid ARN specified in the request")
	}
	if a, _ := aws.ParseARN(role); a.Account != aws.RequestOf(ctx).Account() {
		return aws.AccessDenied("Cross-account pass role is not allowed.")
	}
	if _, err := s.assume(ctx, role, ""); err != nil {
		return api.BadRequestException("The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy.").Because(err)
	}
	return nil
}

// sessionName names the sessions that API Gateway takes roles on in.
const sessionName = "BackplaneAssumeRoleSession"

// assume takes a role on for the resource sourceARN, and returns who that makes it.
func (s *Service) assume(ctx context.Context, role, sourceARN string) (aws.Caller, error) {
	r := aws.RequestOf(ctx)
	a, _ := aws.ParseARN(role)
	out, err := sts.AssumeRole.Do(aws.WithRequest(ctx, r.As(aws.ServiceCaller(principal, a.Account, sourceARN))), s.Peers,
		&sts.AssumeRoleRequest{RoleArn: &role, RoleSessionName: ptr(sessionName)})
	if err != nil {
		return aws.Caller{}, err
	}
	if out.AssumedRoleUser == nil || out.AssumedRoleUser.AssumedRoleId == nil {
		return aws.Caller{}, errors.New("AssumeRole answered without a user")
	}
	return sessionOf(role, *out.AssumedRoleUser.AssumedRoleId), nil
}
