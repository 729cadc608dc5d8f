package ses

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// suppression is why mail no longer goes to an address, and since when.
// https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html
type suppression struct {
	Reason  string
	Time    time.Time
	Message string `json:",omitempty"` // id of the message that bounced
}

func (s *Service) suppressionRoutes() []aws.Route {
	return []aws.Route{
		apiv2.PutSuppressedDestination.To(second2(s.putSuppressed), aws.Anywhere),
		apiv2.GetSuppressedDestination.To(second2(s.getSuppressed), aws.Anywhere),
		apiv2.DeleteSuppressedDestination.To(second2(s.deleteSuppressed), aws.Anywhere),
		apiv2.ListSuppressedDestinations.To(second2(s.listSuppressed), aws.Anywhere),
		apiv2.PutAccountSuppressionAttributes.To(second2(s.putAccountSuppression), aws.Anywhere),
		apiv2.PutAccountVdmAttributes.To(second2(s.putAccountDeliverability), aws.Anywhere),
		apiv2.PutAccountDetails.To(second2(s.putAccountDetails), aws.Anywhere),
	}
}

// accountOf is an account's state, which is empty at first.
func accountOf(ctx context.Context, r store.Reader, scope store.Scope) (accountState, error) {
	a, err := accounts.Get(ctx, r, scope, "")
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return a, err
}

// reasons are those for which an account has addresses suppressed.
func (a *accountState) reasons() []string {
	if a.Suppress == nil {
		return []string{apiv2.SuppressionListReasonBounce, apiv2.SuppressionListReasonComplaint}
	}
	return *a.Suppress
}

func (s *Service) changeAccount(ctx context.Context, f func(*accountState) error) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := accountOf(ctx, tx, scope)
		if err == nil {
			err = f(&a)
		}
		if err != nil {
			return err
		}
		return accounts.Put(tx, scope, a, "")
	})
}

// listed is an address as it is on the list: domains are the same in capitals.
func listed(address string) string {
	at := strings.LastIndexByte(address, '@')
	return address[:at+1] + strings.ToLower(address[at+1:])
}

// reasonsFor are the reasons that count for mail of a configuration set.
func reasonsFor(ctx context.Context, r store.Reader, scope store.Scope, set *configurationSet) ([]string, error) {
	if set.Suppress != nil {
		return *set.Suppress, nil
	}
	a, err := accountOf(ctx, r, scope)
	return a.reasons(), err
}

// held are those of some recipients that mail does not go to, and the others.
func held(ctx context.Context, r store.Reader, scope store.Scope, set string, to []string) (hold, free []string, err error) {
	c, err := sets.Get(ctx, r, scope, set)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, err
	}
	reasons, err := reasonsFor(ctx, r, scope, &c)
	if err != nil {
		return nil, nil, err
	}
	for _, address := range to {
		x, err := suppressed.Get(ctx, r, scope, listed(address))
		switch {
		case err == nil && slices.Contains(reasons, x.Reason):
			hold = append(hold, address)
		case err == nil || errors.Is(err, store.ErrNotFound):
			free = append(free, address)
		default:
			return nil, nil, err
		}
	}
	return hold, free, nil
}

// suppress puts the recipients of a result on the list, if that is what it asks for.
func suppress(ctx context.Context, tx store.Tx, scope store.Scope, m *outgoing, set *configurationSet, r *result, now time.Time) error {
	reason := ""
	switch {
	case r.kind == complaintKind:
		reason = apiv2.SuppressionListReasonComplaint
	case r.kind == bounceKind && r.detail["bounceType"] == "Permanent" && r.detail["bounceSubType"] != "OnAccountSuppressionList":
		reason = apiv2.SuppressionListReasonBounce
	default:
		return nil
	}
	reasons, err := reasonsFor(ctx, tx, scope, set)
	if err != nil || !slices.Contains(reasons, reason) {
		return err
	}
	for _, to := range r.recipients {
		if _, simulated := simulate(to); simulated {
			continue // these are never on the list
		}
		if err := suppressed.Put(tx, scope, suppression{reason, now, m.Mail.ID}, listed(to)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) putSuppressed(ctx context.Context, in *apiv2.PutSuppressedDestinationRequest) (*apiv2.PutSuppressedDestinationResponse, error) {
	if err := checkAddress(*in.EmailAddress); err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		return suppressed.Put(tx, scopeOf(ctx), suppression{Reason: *in.Reason, Time: s.Clock.Now()}, listed(*in.EmailAddress))
	})
}

func notSuppressed(address string) error {
	return apiv2.NotFoundException("Email address %s does not exist on your suppression list.", address)
}

func (s *Service) getSuppressed(ctx context.Context, in *apiv2.GetSuppressedDestinationRequest) (*apiv2.GetSuppressedDestinationResponse, error) {
	out := &apiv2.GetSuppressedDestinationResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		x, err := suppressed.Get(ctx, r, scopeOf(ctx), listed(*in.EmailAddress))
		if errors.Is(err, store.ErrNotFound) {
			return notSuppressed(*in.EmailAddress)
		}
		out.SuppressedDestination = &apiv2.SuppressedDestination{EmailAddress: in.EmailAddress, Reason: &x.Reason, LastUpdateTime: &x.Time}
		if x.Message != "" {
			out.SuppressedDestination.Attributes = &apiv2.SuppressedDestinationAttributes{MessageId: &x.Message}
		}
		return err
	})
}

func (s *Service) deleteSuppressed(ctx context.Context, in *apiv2.DeleteSuppressedDestinationRequest) (*apiv2.DeleteSuppressedDestinationResponse, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := suppressed.Has(ctx, tx, scopeOf(ctx), listed(*in.EmailAddress))
		if err == nil && !has {
			err = notSuppressed(*in.EmailAddress)
		}
		if err != nil {
			return err
		}
		return suppressed.Delete(tx, scopeOf(ctx), listed(*in.EmailAddress))
	})
}

func (s *Service) listSuppressed(ctx context.Context, in *apiv2.ListSuppressedDestinationsRequest) (*apiv2.ListSuppressedDestinationsResponse, error) {
	o, most, err := pageOf(in.NextToken, in.PageSize, 1000)
	if err != nil {
		return nil, err
	}
	out := &apiv2.ListSuppressedDestinationsResponse{SuppressedDestinationSummaries: []apiv2.SuppressedDestinationSummary{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range suppressed.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			x := e.Record
			if len(in.Reasons) > 0 && !slices.Contains(in.Reasons, x.Reason) || in.StartDate != nil && x.Time.Before(*in.StartDate) || in.EndDate != nil && x.Time.After(*in.EndDate) {
				continue
			}
			if n := len(out.SuppressedDestinationSummaries); n == most {
				out.NextToken = new(aws.Token(*out.SuppressedDestinationSummaries[n-1].EmailAddress))
				return nil
			}
			out.SuppressedDestinationSummaries = append(out.SuppressedDestinationSummaries,
				apiv2.SuppressedDestinationSummary{EmailAddress: new(e.Key.String(0)), Reason: &x.Reason, LastUpdateTime: &x.Time})
		}
		return nil
	})
}

func (s *Service) putAccountSuppression(ctx context.Context, in *apiv2.PutAccountSuppressionAttributesRequest) (*apiv2.PutAccountSuppressionAttributesResponse, error) {
	reasons := append([]string{}, in.SuppressedReasons...)
	return nil, s.changeAccount(ctx, func(a *accountState) error { a.Suppress = &reasons; return nil })
}

func (s *Service) putAccountDeliverability(ctx context.Context, in *apiv2.PutAccountVdmAttributesRequest) (*apiv2.PutAccountVdmAttributesResponse, error) {
	return nil, s.changeAccount(ctx, func(a *accountState) error { a.Deliverability = in.VdmAttributes; return nil })
}

func (s *Service) putAccountDetails(ctx context.Context, in *apiv2.PutAccountDetailsRequest) (*apiv2.PutAccountDetailsResponse, error) {
	return nil, s.changeAccount(ctx, func(a *accountState) error {
		a.Details = &apiv2.AccountDetails{AdditionalContactEmailAddresses: in.AdditionalContactEmailAddresses, ContactLanguage: in.ContactLanguage, MailType: in.MailType,
			UseCaseDescription: in.UseCaseDescription, WebsiteURL: in.WebsiteURL, ReviewDetails: &apiv2.ReviewDetails{Status: new(apiv2.ReviewStatusGranted)}}
		return nil
	})
}
