package organizations

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	iamapi "github.com/tule-cloud/tule/api/iam"
	api "github.com/tule-cloud/tule/api/organizations"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A request is one to make an account.
type request struct {
	ID, Name, Email string
	Account         string // chosen, or to be
	Role            string
	Tags            map[string]string `json:",omitempty"`
	State, Failure  string
	Requested       time.Time
	Completed       time.Time `json:",omitzero"`
}

// requests are kept for 90 days.
var requests = store.NewTable[request]("organizations", "request") // id

const (
	keepRequests = 90 * 24 * time.Hour
	usualRole    = "OrganizationAccountAccessRole"
	// pinTag chooses the id of a new account; see Options.Pin.
	pinTag = "_custom_id_"
)

func (s *Service) createRoutes() []aws.Route {
	return []aws.Route{
		api.CreateAccount.To(s.createAccount, andTagging(anywhere[api.CreateAccountRequest](s, management),
			func(in *api.CreateAccountRequest) []api.Tag { return in.Tags })),
		api.DescribeCreateAccountStatus.To(s.describeCreateAccountStatus, anywhere[api.DescribeCreateAccountStatusRequest](s, reader)),
		api.ListCreateAccountStatus.To(s.listCreateAccountStatus, anywhere[api.ListCreateAccountStatusRequest](s, reader)),
	}
}

func (q *request) save(tx store.Tx, o *organization) error {
	return requests.PutExpiring(tx, scope(o.Management), *q, q.Requested.Add(keepRequests), q.ID)
}

func (q *request) status() *api.CreateAccountStatus {
	out := &api.CreateAccountStatus{Id: &q.ID, AccountName: &q.Name, State: &q.State, RequestedTimestamp: &q.Requested}
	if !q.Completed.IsZero() {
		out.CompletedTimestamp = &q.Completed
	}
	if q.State == api.CreateAccountStateSucceeded {
		out.AccountId = &q.Account
	}
	if q.Failure != "" {
		out.FailureReason = &q.Failure
	}
	return out
}

// createAccount makes an account in three steps: the request is noted and the address
// taken; IAM makes the role by which the management account gets in; the account joins.
// The second is done before the first policy binds the account.
func (s *Service) createAccount(ctx context.Context, in *api.CreateAccountRequest) (*api.CreateAccountResponse, error) {
	q, err := s.newRequest(in)
	if err != nil {
		return nil, err
	}
	var o *organization
	err = s.change(ctx, management, func(tx store.Tx, own *organization) error {
		o, q.State, q.Failure, q.Completed = own, api.CreateAccountStateInProgress, "", time.Time{}
		if _, err := profiles.Get(ctx, tx, scope(q.Account), "profile"); !missing(err) {
			return errors.Join(err, invalid(api.InvalidInputExceptionReasonInvalidPattern, "The account %s is there already.", q.Account))
		}
		_, err := owners.Get(ctx, tx, store.Scope{}, strings.ToLower(q.Email))
		switch {
		case err == nil:
			q.State, q.Failure, q.Completed = api.CreateAccountStateFailed, api.CreateAccountFailureReasonEmailAlreadyExists, s.now()
		case !missing(err):
			return err
		default:
			if err := (profile{Name: q.Name, Email: q.Email}).save(tx, q.Account); err != nil {
				return err
			}
		}
		return q.save(tx, o)
	})
	if err == nil && q.State == api.CreateAccountStateInProgress {
		err = s.finish(ctx, o.Management, q)
	}
	if err != nil {
		return nil, err
	}
	return &api.CreateAccountResponse{CreateAccountStatus: q.status()}, nil
}

func (s *Service) newRequest(in *api.CreateAccountRequest) (*request, error) {
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	q := &request{ID: "car-" + aws.RandomID(s.Random, aws.Hex, 32), Name: *in.AccountName, Email: *in.Email, Role: usualRole, Tags: tags, Requested: s.now()}
	if in.RoleName != nil {
		q.Role = *in.RoleName
	}
	if strings.HasPrefix(q.Role, "AWSServiceRoleFor") {
		return nil, invalid(api.InvalidInputExceptionReasonInvalidRoleName,
			"You provided a role name that isn't valid. A role name can't begin with the reserved prefix AWSServiceRoleFor.")
	}
	if q.Account = q.Tags[pinTag]; q.Account == "" {
		q.Account = aws.RandomID(s.Random, "123456789", 1) + aws.RandomID(s.Random, "0123456789", 11)
		return q, nil
	}
	if !s.Pin {
		return nil, invalid(api.InvalidInputExceptionReasonInvalidSystemTagsParameter,
			"The tag %s chooses an account's id only while Tule listens on loopback alone.", pinTag)
	}
	if !isAccount(q.Account) {
		return nil, invalid(api.InvalidInputExceptionReasonInvalidPattern, "You provided a value that does not match the required pattern.")
	}
	return q, nil
}

// finish makes the role of a new account, and the account a member. It may begin anew
// where a crash ended it.
func (s *Service) finish(ctx context.Context, manager string, q *request) error {
	failed := s.makeRole(ctx, manager, q)
	if failed != nil {
		s.Logger.Error("a new account's role could not be made", "account", q.Account, "role", q.Role, "err", failed)
	}
	return s.update(ctx, func(tx store.Tx) error {
		o, err := organizations.Get(ctx, tx, scope(manager), "organization")
		if err != nil {
			return or(err, notInUse())
		}
		q.Completed = s.now()
		if failed != nil {
			q.State, q.Failure = api.CreateAccountStateFailed, api.CreateAccountFailureReasonInternalFailure
			return errors.Join(profiles.Delete(tx, scope(q.Account), "profile"),
				owners.Delete(tx, store.Scope{}, strings.ToLower(q.Email)), q.save(tx, &o))
		}
		q.State = api.CreateAccountStateSucceeded
		return errors.Join(o.join(ctx, tx, q.Account, api.AccountJoinedMethodCreated, q.Completed, q.Tags), q.save(tx, &o))
	})
}

// makeRole has IAM make, as the new account's root, the role that the management
// account may assume, and that may do everything.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_access-cross-account-role.html
func (s *Service) makeRole(ctx context.Context, manager string, q *request) error {
	req := aws.RequestOf(ctx).As(aws.Caller{Kind: aws.Root, Account: q.Account, UserID: q.Account,
		ARN: aws.NewARN("iam", "", q.Account, "root").String()})
	req.Via = append(slices.Clone(req.Via), "organizations.amazonaws.com")
	ctx = aws.WithRequest(ctx, req)
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + manager + `:root"},"Action":"sts:AssumeRole"}]}`
	_, err := iamapi.CreateRole.Do(ctx, s.Peers, &iamapi.CreateRoleRequest{RoleName: &q.Role, AssumeRolePolicyDocument: &trust})
	if err != nil && !errors.Is(err, iamapi.EntityAlreadyExistsException("")) {
		return err
	}
	_, err = iamapi.AttachRolePolicy.Do(ctx, s.Peers, &iamapi.AttachRolePolicyRequest{RoleName: &q.Role,
		PolicyArn: ptr("arn:aws:iam::aws:policy/AdministratorAccess")})
	return err
}

// Run finishes the accounts whose making was interrupted.
func (s *Service) Run(ctx context.Context) error {
	var open []store.Entry[request]
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range requests.All(ctx, r) {
			if err != nil {
				return err
			}
			if e.Record.State == api.CreateAccountStateInProgress && e.Record.Requested.Before(s.started) {
				open = append(open, e)
			}
		}
		return nil
	})
	for _, e := range open {
		req := &aws.Request{ID: aws.RandomUUID(s.Random), Region: "us-east-1", Time: s.Clock.Now()}
		if failed := s.finish(aws.WithRequest(ctx, req), e.Scope.Account, &e.Record); failed != nil {
			s.Logger.Error("an account is still not made", "account", e.Record.Account, "err", failed)
		}
	}
	return err
}

func (s *Service) describeCreateAccountStatus(ctx context.Context, in *api.DescribeCreateAccountStatusRequest) (*api.DescribeCreateAccountStatusResponse, error) {
	out := &api.DescribeCreateAccountStatusResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) error {
		q, err := requests.Get(ctx, r, scope(o.Management), *in.CreateAccountRequestId)
		out.CreateAccountStatus = q.status()
		return or(err, api.CreateAccountStatusNotFoundException("You specified a create account request that doesn't exist."))
	})
}

func (s *Service) listCreateAccountStatus(ctx context.Context, in *api.ListCreateAccountStatusRequest) (*api.ListCreateAccountStatusResponse, error) {
	out := &api.ListCreateAccountStatusResponse{}
	return out, s.view(ctx, reader, func(r store.Reader, o *organization) (err error) {
		out.CreateAccountStatuses, out.NextToken, err = list(ctx, r, requests, scope(o.Management), nil, page{in.NextToken, in.MaxResults},
			func(e store.Entry[request]) (api.CreateAccountStatus, bool, error) {
				return *e.Record.status(), len(in.States) == 0 || slices.Contains(in.States, e.Record.State), nil
			})
		return err
	})
}
