package iam

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A serverCertificate is a certificate for a host, with the chain that leads to an
// authority and the private key, which nobody is told.
type serverCertificate struct {
	Name, Path, ID    string
	Uploaded, Expires time.Time
	Body, Chain       string            // PEM
	Key               []byte            // PEM, sealed
	Tags              map[string]string `json:",omitempty"`
}

// serverCertificates are kept by name in lower case.
var serverCertificates = store.NewTable[serverCertificate]("iam", "server-certificate")

// maxServerCertificates is how many an account has at most.
const maxServerCertificates = 20

func (s *Service) serverCertificateRoutes() []aws.Route {
	return []aws.Route{
		api.UploadServerCertificate.To(s.uploadServerCertificate, guardUpload),
		api.GetServerCertificate.To(s.getServerCertificate, onCertificate(s, func(in *api.GetServerCertificateRequest) *string { return in.ServerCertificateName }, nil)),
		api.UpdateServerCertificate.To(s.updateServerCertificate, s.guardUpdateCertificate),
		api.DeleteServerCertificate.To(s.deleteServerCertificate, onCertificate(s, func(in *api.DeleteServerCertificateRequest) *string { return in.ServerCertificateName }, nil)),
		api.ListServerCertificates.To(s.listServerCertificates, below[api.ListServerCertificatesRequest]("server-certificate")),
		api.TagServerCertificate.To(s.tagServerCertificate, onCertificate(s, func(in *api.TagServerCertificateRequest) *string { return in.ServerCertificateName },
			func(in *api.TagServerCertificateRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagServerCertificate.To(s.untagServerCertificate, onCertificate(s, func(in *api.UntagServerCertificateRequest) *string { return in.ServerCertificateName },
			func(in *api.UntagServerCertificateRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListServerCertificateTags.To(s.listServerCertificateTags, onCertificate(s, func(in *api.ListServerCertificateTagsRequest) *string { return in.ServerCertificateName }, nil)),
	}
}

func (c *serverCertificate) arn(account string) string {
	return aws.NewARN("iam", "", account, "server-certificate"+c.Path+c.Name).String()
}

func (c *serverCertificate) metadata(account string) *api.ServerCertificateMetadata {
	arn := c.arn(account)
	return &api.ServerCertificateMetadata{Arn: &arn, Expiration: &c.Expires, Path: &c.Path, ServerCertificateId: &c.ID,
		ServerCertificateName: &c.Name, UploadDate: &c.Uploaded}
}

// loadCertificate reads a certificate, for AWS's error where there is none.
func loadCertificate(ctx context.Context, r store.Reader, account, name string) (*serverCertificate, error) {
	c, err := serverCertificates.Get(ctx, r, scope(account), key(name))
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.NoSuchEntityException("The Server Certificate with name %s cannot be found.", name)
	}
	return &c, err
}

func (s *Service) viewCertificate(ctx context.Context, name string) (c *serverCertificate, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		c, err = loadCertificate(ctx, r, account(ctx), name)
		return err
	})
	return c, err
}

// onCertificate guards operations on a certificate that their input names.
func onCertificate[In any](s *Service, name func(*In) *string, own func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		c, err := s.viewCertificate(ctx, *name(in))
		if aws.CodeOf(err) != "" {
			c, err = &serverCertificate{Name: *name(in), Path: "/"}, nil
		}
		if err != nil {
			return nil, err
		}
		need := aws.Access{Resource: c.arn(account(ctx)), Tags: standing(c.Tags)}
		if own != nil {
			need.Keys = own(in)
		}
		return []aws.Access{need}, nil
	}
}

func guardUpload(ctx context.Context, in *api.UploadServerCertificateRequest) ([]aws.Access, error) {
	return andTagging(making(ctx, "server-certificate", in.Path, in.ServerCertificateName, nil, in.Tags), "iam:TagServerCertificate", in.Tags), nil
}

// A rename needs permission for both names.
func (s *Service) guardUpdateCertificate(ctx context.Context, in *api.UpdateServerCertificateRequest) ([]aws.Access, error) {
	c, err := s.viewCertificate(ctx, *in.ServerCertificateName)
	if aws.CodeOf(err) != "" {
		c, err = &serverCertificate{Name: *in.ServerCertificateName, Path: "/"}, nil
	}
	if err != nil {
		return nil, err
	}
	needs := []aws.Access{{Resource: c.arn(account(ctx)), Tags: standing(c.Tags)}}
	if in.NewServerCertificateName == nil && in.NewPath == nil {
		return needs, nil
	}
	c.rename(in)
	return append(needs, aws.Access{Resource: c.arn(account(ctx)), Tags: needs[0].Tags}), nil
}

func (c *serverCertificate) rename(in *api.UpdateServerCertificateRequest) {
	if in.NewServerCertificateName != nil {
		c.Name = *in.NewServerCertificateName
	}
	if in.NewPath != nil {
		c.Path = *in.NewPath
	}
}

// certificates reads a text that holds certificates in PEM and nothing else.
func certificates(text string) ([]*x509.Certificate, bool) {
	var out []*x509.Certificate
	rest := []byte(text)
	for {
		rest = bytes.TrimSpace(rest)
		if len(rest) == 0 {
			return out, len(out) > 0
		}
		block, after := pem.Decode(rest)
		// Decode passes over what it cannot read.
		if block == nil || block.Type != "CERTIFICATE" || !bytes.HasPrefix(rest, []byte("-----BEGIN ")) {
			return nil, false
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, false
		}
		out, rest = append(out, c), after
	}
}

// privateKey reads a private key in PEM, without a passphrase. Parameters of an
// elliptic curve may stand before it, as openssl writes them.
func privateKey(text string) (crypto.Signer, bool) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, false
		}
		var k any
		var err error
		switch block.Type {
		case "RSA PRIVATE KEY":
			k, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			k, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			continue
		}
		signer, ok := k.(crypto.Signer)
		return signer, ok && err == nil
	}
}

// checkCertificate holds what is uploaded together, and answers the certificate.
func checkCertificate(body, chain, key string, now time.Time) (*x509.Certificate, error) {
	own, ok := certificates(body)
	if !ok || len(own) > 1 {
		return nil, api.MalformedCertificateException("Unable to parse certificate. Please ensure the certificate is in PEM format.")
	}
	c := own[0]
	if now.Before(c.NotBefore) {
		return nil, api.MalformedCertificateException("Certificate is not yet valid. The 'Not Before' date restriction on the certificate has not passed.")
	}
	if now.After(c.NotAfter) {
		return nil, api.MalformedCertificateException("Certificate is no longer valid. The 'Not After' date restriction on the certificate has passed.")
	}
	if err := checkChain(c, chain); err != nil {
		return nil, err
	}
	k, ok := privateKey(key)
	if !ok {
		return nil, api.MalformedCertificateException("Unable to parse private key. Please ensure the private key is in PEM format and has no passphrase.")
	}
	if public, ok := k.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(c.PublicKey) {
		return nil, api.KeyPairMismatchException("The private key does not match the certificate.")
	}
	return c, nil
}

// checkChain holds a chain to its order: each certificate signs the one before.
func checkChain(c *x509.Certificate, chain string) error {
	if strings.TrimSpace(chain) == "" {
		return nil
	}
	up, ok := certificates(chain)
	bad := -1
	for i, by := range up {
		// The chain as a whole is the clients' to judge; here an authority is who signed.
		if !bytes.Equal(c.RawIssuer, by.RawSubject) || by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
			ok, bad = false, i
			break
		}
		c = by
	}
	if !ok {
		return api.MalformedCertificateException("Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, "+
			"followed by any intermediaries in order. The index within the chain of the invalid certificate is: %d", bad)
	}
	return nil
}

func (s *Service) uploadServerCertificate(ctx context.Context, in *api.UploadServerCertificateRequest) (*api.UploadServerCertificateResponse, error) {
	leaf, err := checkCertificate(*in.CertificateBody, aws.Value(in.CertificateChain), *in.PrivateKey, s.now())
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	c := serverCertificate{Name: *in.ServerCertificateName, Path: aws.Value(in.Path), ID: "ASCA" + aws.RandomID(s.random, aws.Base32, 17),
		Uploaded: s.now(), Expires: leaf.NotAfter.UTC(), Body: strings.TrimSpace(*in.CertificateBody), Chain: strings.TrimSpace(aws.Value(in.CertificateChain))}
	if c.Path == "" {
		c.Path = "/"
	}
	if c.Tags, err = newTags(in.Tags); err != nil {
		return nil, err
	}
	if c.Key, err = s.privates.Seal([]byte(*in.PrivateKey), certificateContext(a, c.ID)); err != nil {
		return nil, err
	}
	err = s.change(ctx, a, func(tx store.Tx) error {
		n := 0
		for _, err := range serverCertificates.List(ctx, tx, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			n++
		}
		if err := freeCertificate(ctx, tx, a, c.Name); err != nil {
			return err
		}
		if n >= maxServerCertificates {
			return api.LimitExceededException("Cannot exceed quota for ServerCertificatesPerAccount: %d", maxServerCertificates)
		}
		return serverCertificates.Put(tx, scope(a), c, key(c.Name))
	})
	if err != nil {
		return nil, err
	}
	return &api.UploadServerCertificateResponse{ServerCertificateMetadata: c.metadata(a), Tags: tagsOrNil(c.Tags)}, nil
}

// certificateContext binds a sealed key to its certificate, whatever that is called.
func certificateContext(account, id string) string { return "server/" + account + "/" + id }

// freeCertificate refuses a name that is taken.
func freeCertificate(ctx context.Context, r store.Reader, account, name string) error {
	taken, err := serverCertificates.Has(ctx, r, scope(account), key(name))
	if taken {
		return api.EntityAlreadyExistsException("The Server Certificate with name %s already exists.", name)
	}
	return err
}

func (s *Service) getServerCertificate(ctx context.Context, in *api.GetServerCertificateRequest) (*api.GetServerCertificateResponse, error) {
	c, err := s.viewCertificate(ctx, *in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	out := &api.ServerCertificate{CertificateBody: &c.Body, ServerCertificateMetadata: c.metadata(account(ctx)), Tags: apiTags(c.Tags)}
	if c.Chain != "" {
		out.CertificateChain = &c.Chain
	}
	return &api.GetServerCertificateResponse{ServerCertificate: out}, nil
}

func (s *Service) updateServerCertificate(ctx context.Context, in *api.UpdateServerCertificateRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		c, err := loadCertificate(ctx, tx, a, *in.ServerCertificateName)
		if err != nil {
			return err
		}
		from := c.Name
		c.rename(in)
		if key(c.Name) != key(from) {
			if err := errors.Join(freeCertificate(ctx, tx, a, c.Name), serverCertificates.Delete(tx, scope(a), key(from))); err != nil {
				return err
			}
		}
		return serverCertificates.Put(tx, scope(a), *c, key(c.Name))
	})
}

func (s *Service) deleteServerCertificate(ctx context.Context, in *api.DeleteServerCertificateRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		c, err := loadCertificate(ctx, tx, a, *in.ServerCertificateName)
		if err != nil {
			return err
		}
		return serverCertificates.Delete(tx, scope(a), key(c.Name))
	})
}

func (s *Service) listServerCertificates(ctx context.Context, in *api.ListServerCertificatesRequest) (*api.ListServerCertificatesResponse, error) {
	a := account(ctx)
	var all []api.ServerCertificateMetadata
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range serverCertificates.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			if c := e.Record; strings.HasPrefix(c.Path, aws.Value(in.PathPrefix)) {
				all = append(all, *c.metadata(a))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(c *api.ServerCertificateMetadata) string { return key(*c.ServerCertificateName) })
	return &api.ListServerCertificatesResponse{ServerCertificateMetadataList: part, IsTruncated: more(next), Marker: next}, err
}

// retagCertificate changes the tags of a certificate.
func (s *Service) retagCertificate(ctx context.Context, name string, add []api.Tag, drop []string) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		c, err := loadCertificate(ctx, tx, a, name)
		if err != nil {
			return err
		}
		if err := change(&c.Tags, add, drop); err != nil {
			return err
		}
		return serverCertificates.Put(tx, scope(a), *c, key(c.Name))
	})
}

func (s *Service) tagServerCertificate(ctx context.Context, in *api.TagServerCertificateRequest) (*aws.Empty, error) {
	return nil, s.retagCertificate(ctx, *in.ServerCertificateName, in.Tags, nil)
}

func (s *Service) untagServerCertificate(ctx context.Context, in *api.UntagServerCertificateRequest) (*aws.Empty, error) {
	return nil, s.retagCertificate(ctx, *in.ServerCertificateName, nil, in.TagKeys)
}

func (s *Service) listServerCertificateTags(ctx context.Context, in *api.ListServerCertificateTagsRequest) (*api.ListServerCertificateTagsResponse, error) {
	c, err := s.viewCertificate(ctx, *in.ServerCertificateName)
	if err != nil {
		return nil, err
	}
	part, next, err := cut(apiTags(c.Tags), page{in.Marker, in.MaxItems}, func(t *api.Tag) string { return *t.Key })
	return &api.ListServerCertificateTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}
