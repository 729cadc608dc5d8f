package sns

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// pushedMessage is one for a phone or an app, which is kept for whoever looks.
type pushedMessage struct {
	Target, Topic, Subscription string
	ID, Body, Subject           string
	SMS                         bool
}

// pushedLife is how long it is kept.
const pushedLife = 7 * 24 * time.Hour

func (s *Service) keepPushed(ctx context.Context, m pushedMessage, scope store.Scope) error {
	now := s.Clock.Now()
	return s.Store.Update(ctx, func(tx store.Tx) error {
		return pushed.PutExpiring(tx, scope, m, now.Add(pushedLife), now, m.ID+"/"+m.Target)
	})
}

func callerScope(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}

var e164 = regexp.MustCompile(`^\+[0-9]{8,15}$`)

// publishSMS keeps a text message. AWS takes one for a number that opted out, and does
// not send it.
func (s *Service) publishSMS(ctx context.Context, number string, e entry) (*api.PublishResponse, error) {
	if !phone.MatchString(number) {
		return nil, invalid("PhoneNumber Reason: %s is not valid to publish to", number)
	}
	m, err := s.newMessage(ctx, e)
	if err != nil {
		return nil, err
	}
	scope := callerScope(ctx)
	var out bool
	if err := s.Store.View(ctx, func(r store.Reader) (err error) {
		out, err = optedOut.Has(ctx, r, scope, number)
		return err
	}); err != nil || out {
		return &api.PublishResponse{MessageId: &m.ID}, err
	}
	return &api.PublishResponse{MessageId: &m.ID}, s.keepPushed(ctx, pushedMessage{Target: number, ID: m.ID, Body: m.body("sms"), Subject: m.Subject, SMS: true}, scope)
}

// smsAttributes are an account's, and whether a value is good.
var smsAttributes = map[string]func(string) bool{
	"MonthlySpendLimit": func(v string) bool { n, err := strconv.ParseFloat(v, 64); return err == nil && n >= 0 },
	"DeliveryStatusIAMRole": func(v string) bool {
		a, ok := aws.ParseARN(v)
		return ok && a.Service == "iam"
	},
	"DeliveryStatusSuccessSamplingRate": func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n >= 0 && n <= 100 },
	"DefaultSenderID":                   regexp.MustCompile(`^(?:[A-Za-z0-9_-]{0,10}[A-Za-z][A-Za-z0-9_-]{0,10})$`).MatchString,
	"DefaultSMSType":                    func(v string) bool { return v == "Promotional" || v == "Transactional" },
	"UsageReportS3Bucket":               func(v string) bool { return v != "" },
}

func (s *Service) setSMSAttributes(ctx context.Context, in *api.SetSMSAttributesInput) (*api.SetSMSAttributesResponse, error) {
	for _, k := range slices.Sorted(maps.Keys(in.Attributes)) {
		good := smsAttributes[k]
		switch v := in.Attributes[k]; {
		case good == nil:
			return nil, api.InvalidParameterException("%s is not a valid attribute", k)
		case k == "DefaultSenderID" && (len(v) > 11 || !good(v)):
			return nil, api.InvalidParameterException("DefaultSendID is not a valid attribute")
		case !good(v):
			return nil, api.InvalidParameterException("%s is invalid", k)
		}
	}
	scope := callerScope(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := smsSettings.Get(ctx, tx, scope, "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if have == nil {
			have = map[string]string{}
		}
		maps.Copy(have, in.Attributes)
		return smsSettings.Put(tx, scope, have, "")
	})
}

func (s *Service) getSMSAttributes(ctx context.Context, in *api.GetSMSAttributesInput) (*api.GetSMSAttributesResponse, error) {
	out := &api.GetSMSAttributesResponse{Attributes: map[string]string{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		have, err := smsSettings.Get(ctx, r, callerScope(ctx), "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		all := map[string]string{"MonthlySpendLimit": "1"}
		maps.Copy(all, have)
		for k, v := range all {
			if len(in.Attributes) == 0 || slices.Contains(in.Attributes, k) {
				out.Attributes[k] = v
			}
		}
		return nil
	})
}

func checkNumber(number string) error {
	if !e164.MatchString(number) {
		return invalid("PhoneNumber Reason: input incorrectly formatted")
	}
	return nil
}

func (s *Service) checkOptedOut(ctx context.Context, in *api.CheckIfPhoneNumberIsOptedOutInput) (*api.CheckIfPhoneNumberIsOptedOutResponse, error) {
	if err := checkNumber(*in.PhoneNumber); err != nil {
		return nil, err
	}
	out := &api.CheckIfPhoneNumberIsOptedOutResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		has, err := optedOut.Has(ctx, r, callerScope(ctx), *in.PhoneNumber)
		out.IsOptedOut = new(has)
		return err
	})
}

func (s *Service) listOptedOut(ctx context.Context, in *api.ListPhoneNumbersOptedOutInput) (*api.ListPhoneNumbersOptedOutResponse, error) {
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListPhoneNumbersOptedOutResponse{PhoneNumbers: []string{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		last := ""
		for e, err := range optedOut.List(ctx, r, callerScope(ctx), o) {
			if err != nil {
				return err
			}
			if len(out.PhoneNumbers) == pageSize {
				out.NextToken = new(aws.Token([]string{last}))
				return nil
			}
			last = e.Key.String(0)
			out.PhoneNumbers = append(out.PhoneNumbers, last)
		}
		return nil
	})
}

func (s *Service) optIn(ctx context.Context, in *api.OptInPhoneNumberInput) (*api.OptInPhoneNumberResponse, error) {
	if err := checkNumber(*in.PhoneNumber); err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return optedOut.Delete(tx, callerScope(ctx), *in.PhoneNumber) })
}

// optOut is what a phone's owner does, by an answer to a message: "STOP".
func (s *Service) optOut(ctx context.Context, scope store.Scope, number string) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return optedOut.Put(tx, scope, nil, number) })
}

// listOriginationNumbers: there are none to send from.
func (s *Service) listOriginationNumbers(context.Context, *api.ListOriginationNumbersRequest) (*api.ListOriginationNumbersResult, error) {
	return &api.ListOriginationNumbersResult{PhoneNumbers: []api.PhoneNumberInformation{}}, nil
}

// sandboxNumber is one that is, or is to be, verified.
type sandboxNumber struct {
	Code     string
	Verified bool
	Until    time.Time // of the code
}

const codeLife = 24 * time.Hour

func (s *Service) createSandboxNumber(ctx context.Context, in *api.CreateSMSSandboxPhoneNumberInput) (*api.CreateSMSSandboxPhoneNumberResult, error) {
	number := *in.PhoneNumber
	if err := checkNumber(number); err != nil {
		return nil, err
	}
	scope := callerScope(ctx)
	code := aws.RandomID(s.Random, "0123456789", 6)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		return sandboxNumbers.Put(tx, scope, sandboxNumber{Code: code, Until: s.Clock.Now().Add(codeLife)}, number)
	})
	if err != nil {
		return nil, err
	}
	return nil, s.keepPushed(ctx, pushedMessage{Target: number, ID: aws.RandomUUID(s.Random), Body: "Your AWS verification code is " + code, SMS: true}, scope)
}

func (s *Service) verifySandboxNumber(ctx context.Context, in *api.VerifySMSSandboxPhoneNumberInput) (*api.VerifySMSSandboxPhoneNumberResult, error) {
	scope := callerScope(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		n, err := sandboxNumbers.Get(ctx, tx, scope, *in.PhoneNumber)
		if errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("Phone number does not exist")
		}
		if err != nil {
			return err
		}
		if n.Code != *in.OneTimePassword || s.Clock.Now().After(n.Until) {
			return api.VerificationException("Invalid one-time password").With(&api.VerificationExceptionDetail{Status: new("INVALID_OTP")})
		}
		n.Verified = true
		return sandboxNumbers.Put(tx, scope, n, *in.PhoneNumber)
	})
}

func (s *Service) deleteSandboxNumber(ctx context.Context, in *api.DeleteSMSSandboxPhoneNumberInput) (*api.DeleteSMSSandboxPhoneNumberResult, error) {
	scope := callerScope(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		has, err := sandboxNumbers.Has(ctx, tx, scope, *in.PhoneNumber)
		if err == nil && !has {
			err = api.ResourceNotFoundException("Phone number does not exist")
		}
		if err != nil {
			return err
		}
		return sandboxNumbers.Delete(tx, scope, *in.PhoneNumber)
	})
}

func (s *Service) listSandboxNumbers(ctx context.Context, in *api.ListSMSSandboxPhoneNumbersInput) (*api.ListSMSSandboxPhoneNumbersResult, error) {
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	most := pageSize
	if in.MaxResults != nil {
		most = int(*in.MaxResults)
	}
	out := &api.ListSMSSandboxPhoneNumbersResult{PhoneNumbers: []api.SMSSandboxPhoneNumber{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		last := ""
		for e, err := range sandboxNumbers.List(ctx, r, callerScope(ctx), o) {
			if err != nil {
				return err
			}
			if len(out.PhoneNumbers) == most {
				out.NextToken = new(aws.Token([]string{last}))
				return nil
			}
			last = e.Key.String(0)
			status := "Pending"
			if e.Record.Verified {
				status = "Verified"
			}
			out.PhoneNumbers = append(out.PhoneNumbers, api.SMSSandboxPhoneNumber{PhoneNumber: new(last), Status: &status})
		}
		return nil
	})
}

func (s *Service) sandboxStatus(context.Context, *api.GetSMSSandboxAccountStatusInput) (*api.GetSMSSandboxAccountStatusResult, error) {
	return &api.GetSMSSandboxAccountStatusResult{IsInSandbox: new(true)}, nil
}

// isStop reports whether a phone's answer opts out.
func isStop(text string) bool {
	return slices.Contains([]string{"ARRET", "CANCEL", "END", "OPT-OUT", "OPTOUT", "QUIT", "REMOVE", "STOP", "TD", "UNSUBSCRIBE"}, strings.ToUpper(strings.TrimSpace(text)))
}
