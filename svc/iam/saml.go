package iam

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/crewjam/saml"
	xrv "github.com/mattermost/xml-roundtrip-validator"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A samlProvider is somebody outside whose SAML assertions the account trusts.
type samlProvider struct {
	Name, ID            string
	Created, ValidUntil time.Time
	Encryption          string            `json:",omitempty"` // of assertions: "Required", "Allowed"
	Keys                []samlKey         `json:",omitempty"` // the oldest first
	Tags                map[string]string `json:",omitempty"`
}

// A samlKey opens assertions that a provider encrypted.
type samlKey struct {
	ID     string
	Added  time.Time
	Sealed []byte // PEM
}

var (
	samlProviders = store.NewTable[samlProvider]("iam", "saml-provider") // name in lower case
	// samlMetadata are the documents, by the provider's name in lower case: up to
	// 10 MB each, and asked for seldom.
	samlMetadata = store.NewTable[[]byte]("iam", "saml-metadata")
)

// Limits on SAML providers.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxSAMLProviders = 100
	maxSAMLKeys      = 2 // private keys of a provider
)

func (s *Service) samlRoutes() []aws.Route {
	return []aws.Route{
		api.CreateSAMLProvider.To(s.createSAMLProvider, guardCreateSAML),
		api.GetSAMLProvider.To(s.getSAMLProvider, onSAML(s, func(in *api.GetSAMLProviderRequest) *string { return in.SAMLProviderArn }, nil)),
		api.UpdateSAMLProvider.To(s.updateSAMLProvider, onSAML(s, func(in *api.UpdateSAMLProviderRequest) *string { return in.SAMLProviderArn }, nil)),
		api.DeleteSAMLProvider.To(s.deleteSAMLProvider, onSAML(s, func(in *api.DeleteSAMLProviderRequest) *string { return in.SAMLProviderArn }, nil)),
		api.ListSAMLProviders.To(s.listSAMLProviders, aws.Anywhere),
		api.TagSAMLProvider.To(s.tagSAMLProvider, onSAML(s, func(in *api.TagSAMLProviderRequest) *string { return in.SAMLProviderArn },
			func(in *api.TagSAMLProviderRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagSAMLProvider.To(s.untagSAMLProvider, onSAML(s, func(in *api.UntagSAMLProviderRequest) *string { return in.SAMLProviderArn },
			func(in *api.UntagSAMLProviderRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListSAMLProviderTags.To(s.listSAMLProviderTags, onSAML(s, func(in *api.ListSAMLProviderTagsRequest) *string { return in.SAMLProviderArn }, nil)),
	}
}

func (p *samlProvider) arn(account string) string {
	return aws.NewARN("iam", "", account, "saml-provider/"+p.Name).String()
}

// loadSAML reads the provider with an ARN, for AWS's error where there is none.
func loadSAML(ctx context.Context, r store.Reader, account, arn string) (*samlProvider, error) {
	name, err := federated(arn, account, "saml-provider/")
	if err != nil {
		return nil, err
	}
	p, err := samlProviders.Get(ctx, r, scope(account), key(name))
	if name == "" || errors.Is(err, store.ErrNotFound) || err == nil && p.Name != name {
		return nil, api.NoSuchEntityException("Manifest not found for arn %s", arn)
	}
	return &p, err
}

// onSAML guards operations on a provider that their input names by ARN.
func onSAML[In any](s *Service, arn func(*In) *string, own func(*In) map[string][]string) aws.Guard[In] {
	return tagged(arn, own, func(ctx context.Context, arn string) (tags map[string]string, err error) {
		err = s.store.View(ctx, func(r store.Reader) error {
			p, err := loadSAML(ctx, r, account(ctx), arn)
			if err == nil {
				tags = p.Tags
			}
			return err
		})
		return tags, err
	})
}

func guardCreateSAML(ctx context.Context, in *api.CreateSAMLProviderRequest) ([]aws.Access, error) {
	p := samlProvider{Name: *in.Name}
	needs := []aws.Access{{Resource: p.arn(account(ctx)), Keys: requestTags(nil, in.Tags)}}
	return andTagging(needs, "iam:TagSAMLProvider", in.Tags), nil
}

// parseMetadata holds a metadata document to what STS will need of it: one entity
// that is an identity provider of SAML 2.0 and signs with a certificate that can be
// read. It answers until when the document is good; the zero time, if it does not say.
func parseMetadata(text string) (time.Time, error) {
	e, err := identityProvider([]byte(text))
	if err != nil {
		return time.Time{}, api.InvalidInputException("Could not parse metadata").Because(err)
	}
	return e.ValidUntil.UTC(), nil
}

func identityProvider(text []byte) (*saml.EntityDescriptor, error) {
	// What Go's parser reads otherwise than it was written, others read otherwise.
	if err := xrv.Validate(bytes.NewReader(text)); err != nil {
		return nil, err
	}
	var e saml.EntityDescriptor
	if err := xml.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	if e.EntityID == "" {
		return nil, errors.New("the entity has no entityID")
	}
	for _, d := range e.IDPSSODescriptors {
		if !slices.Contains(strings.Fields(d.ProtocolSupportEnumeration), "urn:oasis:names:tc:SAML:2.0:protocol") {
			continue
		}
		for _, k := range d.KeyDescriptors {
			if k.Use != "" && k.Use != "signing" {
				continue
			}
			for _, c := range k.KeyInfo.X509Data.X509Certificates {
				if certificate(c.Data) {
					return &e, nil
				}
			}
		}
	}
	return nil, errors.New("no identity provider of SAML 2.0 with a signing certificate")
}

// certificate reports whether text is a certificate in base64, with white space.
func certificate(text string) bool {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return false
	}
	_, err = x509.ParseCertificate(der)
	return err == nil
}

// goodFor is how long metadata that has no date of its own is good.
const goodFor = 100 // years

// read takes over what a metadata document says of the provider.
func (p *samlProvider) read(text string, now time.Time) error {
	until, err := parseMetadata(text)
	if err != nil {
		return err
	}
	if p.ValidUntil = until; until.IsZero() {
		p.ValidUntil = now.AddDate(goodFor, 0, 0)
	}
	return nil
}

// rsaKey reports whether text is an RSA private key in PEM, without a passphrase.
func rsaKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return true
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	_, is := k.(*rsa.PrivateKey)
	return err == nil && is
}

// addKey gives the provider a private key more.
func (s *Service) addKey(account string, p *samlProvider, text string) error {
	if !rsaKey(text) {
		return api.InvalidInputException("Could not parse the private key. It must be an RSA key in PEM format, without a passphrase.")
	}
	if len(p.Keys) >= maxSAMLKeys {
		return api.LimitExceededException("Cannot exceed quota for PrivateKeysPerSAMLProvider: %d", maxSAMLKeys)
	}
	k := samlKey{ID: "ASKA" + aws.RandomID(s.random, aws.Base32, 18), Added: s.now()}
	var err error
	k.Sealed, err = s.privates.Seal([]byte(text), samlKeyContext(account, p, k.ID))
	p.Keys = append(p.Keys, k)
	return err
}

// samlKeyContext binds a sealed key to its place.
func samlKeyContext(account string, p *samlProvider, id string) string {
	return "saml/" + account + "/" + p.ID + "/" + id
}

// encrypt sets whether assertions must be encrypted, which takes a key to open them.
func (p *samlProvider) encrypt(mode *string) error {
	if mode != nil {
		p.Encryption = *mode
	}
	if p.Encryption == api.AssertionEncryptionModeTypeRequired && len(p.Keys) == 0 {
		return api.InvalidInputException("AssertionEncryptionMode can be Required only for a provider that has a private key.")
	}
	return nil
}

func (s *Service) createSAMLProvider(ctx context.Context, in *api.CreateSAMLProviderRequest) (*api.CreateSAMLProviderResponse, error) {
	a := account(ctx)
	p := &samlProvider{Name: *in.Name, ID: "ASPA" + aws.RandomID(s.random, aws.Base32, 18), Created: s.now()}
	if err := p.read(*in.SAMLMetadataDocument, p.Created); err != nil {
		return nil, err
	}
	if in.AddPrivateKey != nil {
		if err := s.addKey(a, p, *in.AddPrivateKey); err != nil {
			return nil, err
		}
	}
	if err := p.encrypt(in.AssertionEncryptionMode); err != nil {
		return nil, err
	}
	var err error
	if p.Tags, err = newTags(in.Tags); err != nil {
		return nil, err
	}
	err = s.change(ctx, a, func(tx store.Tx) error {
		n, taken := 0, false
		for e, err := range samlProviders.List(ctx, tx, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			n, taken = n+1, taken || key(e.Record.Name) == key(p.Name)
		}
		switch {
		case taken:
			return api.EntityAlreadyExistsException("SAMLProvider with name %s already exists.", p.Name)
		case n >= maxSAMLProviders:
			return api.LimitExceededException("Cannot exceed quota for SAMLProvidersPerAccount: %d", maxSAMLProviders)
		}
		return errors.Join(samlProviders.Put(tx, scope(a), *p, key(p.Name)), samlMetadata.Put(tx, scope(a), []byte(*in.SAMLMetadataDocument), key(p.Name)))
	})
	if err != nil {
		return nil, err
	}
	arn := p.arn(a)
	return &api.CreateSAMLProviderResponse{SAMLProviderArn: &arn, Tags: tagsOrNil(p.Tags)}, nil
}

func (s *Service) getSAMLProvider(ctx context.Context, in *api.GetSAMLProviderRequest) (*api.GetSAMLProviderResponse, error) {
	out := &api.GetSAMLProviderResponse{}
	return out, s.store.View(ctx, func(r store.Reader) error {
		p, err := loadSAML(ctx, r, account(ctx), *in.SAMLProviderArn)
		if err != nil {
			return err
		}
		text, err := samlMetadata.Get(ctx, r, scope(account(ctx)), key(p.Name))
		if err != nil {
			return err
		}
		document := string(text)
		out.CreateDate, out.ValidUntil, out.SAMLProviderUUID, out.SAMLMetadataDocument = &p.Created, &p.ValidUntil, &p.ID, &document
		out.Tags = apiTags(p.Tags)
		if p.Encryption != "" {
			out.AssertionEncryptionMode = &p.Encryption
		}
		for i := range p.Keys {
			out.PrivateKeyList = append(out.PrivateKeyList, api.SAMLPrivateKey{KeyId: &p.Keys[i].ID, Timestamp: &p.Keys[i].Added})
		}
		return nil
	})
}

// editSAML changes a provider of the caller's account.
func (s *Service) editSAML(ctx context.Context, arn string, fn func(tx store.Tx, p *samlProvider) error) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		p, err := loadSAML(ctx, tx, a, arn)
		if err != nil {
			return err
		}
		if err := fn(tx, p); err != nil {
			return err
		}
		return samlProviders.Put(tx, scope(a), *p, key(p.Name))
	})
}

func (s *Service) updateSAMLProvider(ctx context.Context, in *api.UpdateSAMLProviderRequest) (*api.UpdateSAMLProviderResponse, error) {
	a := account(ctx)
	return &api.UpdateSAMLProviderResponse{SAMLProviderArn: in.SAMLProviderArn}, s.editSAML(ctx, *in.SAMLProviderArn, func(tx store.Tx, p *samlProvider) error {
		if text := in.SAMLMetadataDocument; text != nil {
			if err := errors.Join(p.read(*text, s.now()), samlMetadata.Put(tx, scope(a), []byte(*text), key(p.Name))); err != nil {
				return err
			}
		}
		if id := in.RemovePrivateKey; id != nil {
			i := slices.IndexFunc(p.Keys, func(k samlKey) bool { return k.ID == *id })
			if i < 0 {
				return api.NoSuchEntityException("The private key with id %s cannot be found.", *id)
			}
			p.Keys = slices.Delete(p.Keys, i, i+1)
		}
		if in.AddPrivateKey != nil {
			if err := s.addKey(a, p, *in.AddPrivateKey); err != nil {
				return err
			}
		}
		return p.encrypt(in.AssertionEncryptionMode)
	})
}

func (s *Service) deleteSAMLProvider(ctx context.Context, in *api.DeleteSAMLProviderRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		p, err := loadSAML(ctx, tx, a, *in.SAMLProviderArn)
		if err != nil {
			return err
		}
		return errors.Join(samlProviders.Delete(tx, scope(a), key(p.Name)), samlMetadata.Delete(tx, scope(a), key(p.Name)))
	})
}

func (s *Service) listSAMLProviders(ctx context.Context, _ *api.ListSAMLProvidersRequest) (*api.ListSAMLProvidersResponse, error) {
	a := account(ctx)
	out := &api.ListSAMLProvidersResponse{SAMLProviderList: []api.SAMLProviderListEntry{}}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range samlProviders.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			p, arn := e.Record, e.Record.arn(a)
			out.SAMLProviderList = append(out.SAMLProviderList, api.SAMLProviderListEntry{Arn: &arn, CreateDate: &p.Created, ValidUntil: &p.ValidUntil})
		}
		return nil
	})
}

func (s *Service) tagSAMLProvider(ctx context.Context, in *api.TagSAMLProviderRequest) (*aws.Empty, error) {
	return nil, s.editSAML(ctx, *in.SAMLProviderArn, func(_ store.Tx, p *samlProvider) error { return change(&p.Tags, in.Tags, nil) })
}

func (s *Service) untagSAMLProvider(ctx context.Context, in *api.UntagSAMLProviderRequest) (*aws.Empty, error) {
	return nil, s.editSAML(ctx, *in.SAMLProviderArn, func(_ store.Tx, p *samlProvider) error { return change(&p.Tags, nil, in.TagKeys) })
}

func (s *Service) listSAMLProviderTags(ctx context.Context, in *api.ListSAMLProviderTagsRequest) (*api.ListSAMLProviderTagsResponse, error) {
	var tags []api.Tag
	err := s.store.View(ctx, func(r store.Reader) error {
		p, err := loadSAML(ctx, r, account(ctx), *in.SAMLProviderArn)
		if err == nil {
			tags = apiTags(p.Tags)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(tags, page{in.Marker, in.MaxItems}, func(t *api.Tag) string { return *t.Key })
	return &api.ListSAMLProviderTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}

// SAMLProvider is what STS needs of the provider with an ARN, whichever account's:
// its metadata document, the unique id, and until when the provider is good. The
// metadata is "" if there is no such provider.
func (s *Service) SAMLProvider(ctx context.Context, arn string) (metadata, id string, validUntil time.Time, err error) {
	a, _ := aws.ParseARN(arn)
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err := loadSAML(ctx, r, a.Account, arn)
		if aws.CodeOf(err) != "" {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := samlMetadata.Get(ctx, r, scope(a.Account), key(p.Name))
		metadata, id, validUntil = string(text), p.ID, p.ValidUntil
		return err
	})
	return metadata, id, validUntil, err
}

// SAMLKeys are the RSA private keys, in PEM, by which assertions that the provider
// with an ARN encrypted are opened, and whether such alone are taken.
func (s *Service) SAMLKeys(ctx context.Context, arn string) (keys []string, required bool, err error) {
	a, _ := aws.ParseARN(arn)
	err = s.store.View(ctx, func(r store.Reader) error {
		p, err := loadSAML(ctx, r, a.Account, arn)
		if aws.CodeOf(err) != "" {
			return nil
		}
		if err != nil {
			return err
		}
		required = p.Encryption == api.AssertionEncryptionModeTypeRequired
		for _, k := range p.Keys {
			text, err := s.privates.Open(k.Sealed, samlKeyContext(a.Account, p, k.ID))
			if err != nil {
				return err
			}
			keys = append(keys, string(text))
		}
		return nil
	})
	return keys, required, err
}
