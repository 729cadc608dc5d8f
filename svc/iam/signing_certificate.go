package iam

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A signingCertificate is a certificate of a user's, or of root's. Nothing that is
// served today asks for one.
type signingCertificate struct {
	ID, Status string
	Body       string // in PEM, as it was uploaded
	Uploaded   time.Time
}

var signingCertificates = store.NewTable[signingCertificate]("iam", "signing-certificate") // holder, certificate id

const maxCertificates = 2 // of a user

func (s *Service) certificateRoutes() []aws.Route {
	return []aws.Route{
		api.UploadSigningCertificate.To(s.uploadSigningCertificate, on(s, user, func(in *api.UploadSigningCertificateRequest) *string { return in.UserName })),
		api.ListSigningCertificates.To(s.listSigningCertificates, on(s, user, func(in *api.ListSigningCertificatesRequest) *string { return in.UserName })),
		api.UpdateSigningCertificate.To(s.updateSigningCertificate, on(s, user, func(in *api.UpdateSigningCertificateRequest) *string { return in.UserName })),
		api.DeleteSigningCertificate.To(s.deleteSigningCertificate, on(s, user, func(in *api.DeleteSigningCertificateRequest) *string { return in.UserName })),
	}
}

// parseCertificate reads one X.509 certificate in PEM that holds now.
func parseCertificate(body string, now time.Time) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(body))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, api.MalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, api.MalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.").Because(err)
	}
	if now.After(c.NotAfter) || now.Before(c.NotBefore) {
		return nil, api.InvalidCertificateException("The certificate is not valid at this time.")
	}
	return c, nil
}

func (c *signingCertificate) describe(userName string) api.SigningCertificate {
	return api.SigningCertificate{CertificateBody: &c.Body, CertificateId: &c.ID, Status: &c.Status, UploadDate: &c.Uploaded, UserName: &userName}
}

// holding is the name, as stored, and the id by which credentials belong to the user
// that an operation names, or to its caller.
func holding(ctx context.Context, r store.Reader, userName *string) (name, id string, err error) {
	if name, err = named(ctx, userName); err != nil || name == "" {
		return "", account(ctx), err
	}
	u, err := load(ctx, r, account(ctx), user, name)
	if err != nil {
		return "", "", err
	}
	return u.Name, u.ID, nil
}

func (s *Service) uploadSigningCertificate(ctx context.Context, in *api.UploadSigningCertificateRequest) (*api.UploadSigningCertificateResponse, error) {
	if _, err := parseCertificate(*in.CertificateBody, s.clock.Now()); err != nil {
		return nil, err
	}
	a := account(ctx)
	c := signingCertificate{ID: aws.RandomID(s.random, aws.Base32, 32), Status: api.StatusTypeActive, Body: *in.CertificateBody, Uploaded: s.now()}
	out := &api.UploadSigningCertificateResponse{}
	return out, s.change(ctx, a, func(tx store.Tx) error {
		name, id, err := holding(ctx, tx, in.UserName)
		if err != nil {
			return err
		}
		n := 0
		for e, err := range signingCertificates.List(ctx, tx, scope(a), store.ListOptions{Prefix: []any{id}}) {
			if err != nil {
				return err
			}
			if strings.TrimSpace(e.Record.Body) == strings.TrimSpace(c.Body) {
				return api.DuplicateCertificateException("The certificate is already associated with the user.")
			}
			n++
		}
		if n >= maxCertificates {
			return api.LimitExceededException("Cannot exceed quota for SigningCertificatesPerUser: %d", maxCertificates)
		}
		d := c.describe(name)
		out.Certificate = &d
		return signingCertificates.Put(tx, scope(a), c, id, c.ID)
	})
}

func (s *Service) listSigningCertificates(ctx context.Context, in *api.ListSigningCertificatesRequest) (*api.ListSigningCertificatesResponse, error) {
	var all []api.SigningCertificate
	err := s.store.View(ctx, func(r store.Reader) error {
		name, id, err := holding(ctx, r, in.UserName)
		if err != nil {
			return err
		}
		for e, err := range signingCertificates.List(ctx, r, scope(account(ctx)), store.ListOptions{Prefix: []any{id}}) {
			if err != nil {
				return err
			}
			c := e.Record
			all = append(all, c.describe(name))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(c *api.SigningCertificate) string { return *c.CertificateId })
	return &api.ListSigningCertificatesResponse{Certificates: part, IsTruncated: more(next), Marker: next}, err
}

// editCertificate changes, or with a nil result deletes, a certificate.
func (s *Service) editCertificate(ctx context.Context, userName *string, id string, fn func(signingCertificate) *signingCertificate) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		_, of, err := holding(ctx, tx, userName)
		if err != nil {
			return err
		}
		c, err := signingCertificates.Get(ctx, tx, scope(a), of, id)
		if errors.Is(err, store.ErrNotFound) {
			return api.NoSuchEntityException("The Certificate with id %s cannot be found.", id)
		}
		if err != nil {
			return err
		}
		if after := fn(c); after != nil {
			return signingCertificates.Put(tx, scope(a), *after, of, id)
		}
		return signingCertificates.Delete(tx, scope(a), of, id)
	})
}

func (s *Service) updateSigningCertificate(ctx context.Context, in *api.UpdateSigningCertificateRequest) (*aws.Empty, error) {
	if err := checkStatus(*in.Status); err != nil {
		return nil, err
	}
	return nil, s.editCertificate(ctx, in.UserName, *in.CertificateId, func(c signingCertificate) *signingCertificate {
		c.Status = *in.Status
		return &c
	})
}

func (s *Service) deleteSigningCertificate(ctx context.Context, in *api.DeleteSigningCertificateRequest) (*aws.Empty, error) {
	return nil, s.editCertificate(ctx, in.UserName, *in.CertificateId, func(signingCertificate) *signingCertificate { return nil })
}
