package iam

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A serviceCredential is a user's name and password, or key, for one service.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_service-specific-creds.html
type serviceCredential struct {
	ID, Service, Status string
	Login               string // the name that the service knows
	Sealed              []byte // the password or key, bound to the id
	Created             time.Time
	Expires             time.Time `json:",omitzero"`
}

var serviceCredentials = store.NewTable[serviceCredential]("iam", "service-credential") // the user's unique id, credential id

const (
	bedrock               = "bedrock.amazonaws.com"
	maxServiceCredentials = 2 // of a user, for one service
)

// servicesWithCredentials are those that have credentials of their own: a name and a
// password, but for Bedrock's keys.
var servicesWithCredentials = map[string]bool{"codecommit.amazonaws.com": true, "cassandra.amazonaws.com": true, bedrock: true}

func (s *Service) serviceCredentialRoutes() []aws.Route {
	return []aws.Route{
		api.CreateServiceSpecificCredential.To(s.createServiceSpecificCredential, s.guardCreateServiceCredential),
		api.ListServiceSpecificCredentials.To(s.listServiceSpecificCredentials, s.guardListServiceCredentials),
		api.UpdateServiceSpecificCredential.To(s.updateServiceSpecificCredential, onServiceCredential(s, func(in *api.UpdateServiceSpecificCredentialRequest) (name, id *string) {
			return in.UserName, in.ServiceSpecificCredentialId
		})),
		api.ResetServiceSpecificCredential.To(s.resetServiceSpecificCredential, onServiceCredential(s, func(in *api.ResetServiceSpecificCredentialRequest) (name, id *string) {
			return in.UserName, in.ServiceSpecificCredentialId
		})),
		api.DeleteServiceSpecificCredential.To(s.deleteServiceSpecificCredential, onServiceCredential(s, func(in *api.DeleteServiceSpecificCredentialRequest) (name, id *string) {
			return in.UserName, in.ServiceSpecificCredentialId
		})),
	}
}

func (s *Service) guardCreateServiceCredential(ctx context.Context, in *api.CreateServiceSpecificCredentialRequest) ([]aws.Access, error) {
	keys := map[string][]string{"iam:ServiceSpecificCredentialServiceName": {*in.ServiceName}}
	if in.CredentialAgeDays != nil {
		keys["iam:ServiceSpecificCredentialAgeDays"] = []string{strconv.Itoa(int(*in.CredentialAgeDays))}
	}
	return s.guard(ctx, user, in.UserName, keys)
}

// onServiceCredential guards operations on a credential, of which it tells the service.
func onServiceCredential[In any](s *Service, of func(*In) (name, id *string)) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		name, id := of(in)
		needs, u, err := s.guardNamed(ctx, user, name, nil)
		if err != nil || u == nil {
			return needs, err
		}
		return needs, s.store.View(ctx, func(r store.Reader) error {
			c, err := serviceCredentials.Get(ctx, r, scope(account(ctx)), u.ID, *id)
			if err == nil {
				needs[0].Keys["iam:ServiceSpecificCredentialServiceName"] = []string{c.Service}
			}
			return ignoreMissing(err)
		})
	}
}

// Who lists everybody's needs permission for everything.
func (s *Service) guardListServiceCredentials(ctx context.Context, in *api.ListServiceSpecificCredentialsRequest) ([]aws.Access, error) {
	if aws.Value(in.AllUsers) {
		return []aws.Access{{Resource: "*"}}, nil
	}
	return s.guard(ctx, user, in.UserName, nil)
}

// status is the credential's as of now.
func (c *serviceCredential) status(now time.Time) *string {
	status := c.Status
	if !c.Expires.IsZero() && !now.Before(c.Expires) {
		status = api.StatusTypeExpired
	}
	return &status
}

// describe is the credential with its secret, which only its making and its reset tell.
func (c *serviceCredential) describe(userName, secret string, now time.Time) *api.ServiceSpecificCredential {
	out := &api.ServiceSpecificCredential{CreateDate: &c.Created, ServiceName: &c.Service, ServiceSpecificCredentialId: &c.ID, Status: c.status(now), UserName: &userName}
	if !c.Expires.IsZero() {
		out.ExpirationDate = &c.Expires
	}
	if c.Service == bedrock {
		out.ServiceCredentialAlias, out.ServiceCredentialSecret = &c.Login, &secret
	} else {
		out.ServiceUserName, out.ServicePassword = &c.Login, &secret
	}
	return out
}

func (c *serviceCredential) metadata(userName string, now time.Time) api.ServiceSpecificCredentialMetadata {
	d := c.describe(userName, "", now)
	return api.ServiceSpecificCredentialMetadata{CreateDate: d.CreateDate, ExpirationDate: d.ExpirationDate, ServiceCredentialAlias: d.ServiceCredentialAlias,
		ServiceName: d.ServiceName, ServiceSpecificCredentialId: d.ServiceSpecificCredentialId, ServiceUserName: d.ServiceUserName, Status: d.Status, UserName: d.UserName}
}

// newServiceSecret makes a password of 32 bytes in base64, or Bedrock's key: in base64
// behind ABSK, what it is called and a secret.
func (s *Service) newServiceSecret(account string, c *serviceCredential) (secret string, err error) {
	if c.Service == bedrock {
		secret = "ABSK" + base64.StdEncoding.EncodeToString([]byte(c.Login+":"+aws.RandomID(s.random, aws.Base62+"+/", 42)))
	} else {
		secret = aws.RandomID(s.random, aws.Base62+"+/", 43) + "="
	}
	c.Sealed, err = s.services.Seal([]byte(secret), account+"/"+c.ID)
	return secret, err
}

// serviceLogin is the name for a user's nth credential: "anna-at-123456789012",
// "anna+1-at-123456789012".
func serviceLogin(userName, account string, n int) string {
	if n > 0 {
		userName += "+" + strconv.Itoa(n)
	}
	return userName + "-at-" + account
}

func (s *Service) createServiceSpecificCredential(ctx context.Context, in *api.CreateServiceSpecificCredentialRequest) (*api.CreateServiceSpecificCredentialResponse, error) {
	if !servicesWithCredentials[*in.ServiceName] {
		return nil, api.ServiceNotSupportedException("No such service %s is supported for Service Specific Credentials", *in.ServiceName)
	}
	if in.CredentialAgeDays != nil && *in.ServiceName != bedrock {
		return nil, api.InvalidInputException("CredentialAgeDays is not supported for the service %s.", *in.ServiceName)
	}
	a, now := account(ctx), s.now()
	c := serviceCredential{ID: "ACCA" + aws.RandomID(s.random, aws.Base32, 17), Service: *in.ServiceName, Status: api.StatusTypeActive, Created: now}
	if in.CredentialAgeDays != nil {
		c.Expires = now.AddDate(0, 0, int(*in.CredentialAgeDays))
	}
	alias := "BedrockAPIKey-" + aws.RandomID(s.random, aws.LowerAlnm, 4)
	out := &api.CreateServiceSpecificCredentialResponse{}
	return out, s.change(ctx, a, func(tx store.Tx) error {
		u, err := load(ctx, tx, a, user, *in.UserName)
		if err != nil {
			return err
		}
		var taken []string
		for e, err := range serviceCredentials.List(ctx, tx, scope(a), store.ListOptions{Prefix: []any{u.ID}}) {
			if err != nil {
				return err
			}
			if e.Record.Service == c.Service {
				taken = append(taken, e.Record.Login)
			}
		}
		if len(taken) >= maxServiceCredentials {
			return api.LimitExceededException("Cannot exceed quota for ServiceSpecificCredentialsPerUser: %d", maxServiceCredentials)
		}
		c.Login = serviceLogin(u.Name, a, 0)
		if len(taken) > 0 && taken[0] == c.Login {
			c.Login = serviceLogin(u.Name, a, 1)
		}
		if c.Service == bedrock {
			c.Login = serviceLogin(alias, a, 0)
		}
		secret, err := s.newServiceSecret(a, &c)
		if err != nil {
			return err
		}
		out.ServiceSpecificCredential = c.describe(u.Name, secret, now)
		return serviceCredentials.Put(tx, scope(a), c, u.ID, c.ID)
	})
}

func (s *Service) listServiceSpecificCredentials(ctx context.Context, in *api.ListServiceSpecificCredentialsRequest) (*api.ListServiceSpecificCredentialsResponse, error) {
	if in.ServiceName != nil && !servicesWithCredentials[*in.ServiceName] {
		return nil, api.ServiceNotSupportedException("No such service %s is supported for Service Specific Credentials", *in.ServiceName)
	}
	a, now := account(ctx), s.clock.Now()
	var all []api.ServiceSpecificCredentialMetadata
	err := s.store.View(ctx, func(r store.Reader) error {
		var of []any
		if !aws.Value(in.AllUsers) {
			name, err := userNamed(ctx, in.UserName)
			if err != nil {
				return err
			}
			u, err := load(ctx, r, a, user, name)
			if err != nil {
				return err
			}
			of = []any{u.ID}
		}
		for e, err := range serviceCredentials.List(ctx, r, scope(a), store.ListOptions{Prefix: of}) {
			if err != nil {
				return err
			}
			if c := e.Record; in.ServiceName == nil || c.Service == *in.ServiceName {
				u, err := find(ctx, r, a, e.Key.String(0))
				if err != nil {
					return err
				}
				all = append(all, c.metadata(u.Name, now))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(c *api.ServiceSpecificCredentialMetadata) string { return *c.ServiceSpecificCredentialId })
	return &api.ListServiceSpecificCredentialsResponse{ServiceSpecificCredentials: part, IsTruncated: more(next), Marker: next}, err
}

// editServiceCredential changes, or with a nil result deletes, a credential.
func (s *Service) editServiceCredential(ctx context.Context, userName *string, id string, fn func(u *principal, c serviceCredential) (*serviceCredential, error)) error {
	name, err := userNamed(ctx, userName)
	if err != nil {
		return err
	}
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		u, err := load(ctx, tx, a, user, name)
		if err != nil {
			return err
		}
		c, err := serviceCredentials.Get(ctx, tx, scope(a), u.ID, id)
		if errors.Is(err, store.ErrNotFound) {
			return api.NoSuchEntityException("No such credential %s exists", id)
		}
		if err != nil {
			return err
		}
		after, err := fn(u, c)
		if err != nil {
			return err
		}
		if after == nil {
			return serviceCredentials.Delete(tx, scope(a), u.ID, id)
		}
		return serviceCredentials.Put(tx, scope(a), *after, u.ID, id)
	})
}

func (s *Service) updateServiceSpecificCredential(ctx context.Context, in *api.UpdateServiceSpecificCredentialRequest) (*aws.Empty, error) {
	if err := checkStatus(*in.Status); err != nil {
		return nil, err
	}
	return nil, s.editServiceCredential(ctx, in.UserName, *in.ServiceSpecificCredentialId, func(_ *principal, c serviceCredential) (*serviceCredential, error) {
		c.Status = *in.Status
		return &c, nil
	})
}

func (s *Service) resetServiceSpecificCredential(ctx context.Context, in *api.ResetServiceSpecificCredentialRequest) (*api.ResetServiceSpecificCredentialResponse, error) {
	out := &api.ResetServiceSpecificCredentialResponse{}
	return out, s.editServiceCredential(ctx, in.UserName, *in.ServiceSpecificCredentialId, func(u *principal, c serviceCredential) (*serviceCredential, error) {
		secret, err := s.newServiceSecret(account(ctx), &c)
		out.ServiceSpecificCredential = c.describe(u.Name, secret, s.clock.Now())
		return &c, err
	})
}

func (s *Service) deleteServiceSpecificCredential(ctx context.Context, in *api.DeleteServiceSpecificCredentialRequest) (*aws.Empty, error) {
	return nil, s.editServiceCredential(ctx, in.UserName, *in.ServiceSpecificCredentialId, func(*principal, serviceCredential) (*serviceCredential, error) { return nil, nil })
}
