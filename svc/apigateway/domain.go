package apigateway

import (
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	s3 "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/store"
)

// maxTrustStore is how large a trust store may be, in bytes.
const maxTrustStore = 1 << 20

var hostName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func noDomain() error {
	return api.NotFoundException("Invalid domain name identifier specified")
}

// createDomainName makes a custom domain name. Where no certificate is given, Tule's own
// authority vouches for it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-custom-domains.html
func (s *Service) createDomainName(ctx context.Context, in *api.CreateDomainNameRequest) (*api.DomainName, error) {
	n, err := s.newDomain(ctx, in)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.DomainName, error) {
		homes, err := domain.Homes(ctx, tx, n.Name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(homes, func(at store.Scope) bool { return at.Region == scope(ctx).Region }) {
			return nil, api.BadRequestException("The domain name you provided already exists.")
		}
		return describeDomain(ctx, n), domain.Put(tx, scope(ctx), *n)
	})
}

// newDomain is the record of a domain name, checked.
func (s *Service) newDomain(ctx context.Context, in *api.CreateDomainNameRequest) (*domain.Name, error) {
	name := domain.Fold(*in.DomainName)
	if len(name) > 253 || !hostName.MatchString(name) || !domain.Foreign(name) {
		return nil, api.BadRequestException("Invalid domain name specified: %s", *in.DomainName)
	}
	endpoint, err := endpoints(in.EndpointConfiguration)
	if err != nil {
		return nil, err
	}
	if endpoint.Types[0] == api.EndpointTypePrivate {
		return nil, privateDomains()
	}
	if in.RoutingMode != nil && *in.RoutingMode != api.RoutingModeBasePathMappingOnly {
		return nil, noRoutingRules()
	}
	n := &domain.Name{Name: name, Made: *s.now(), Tags: in.Tags, Security: aws.Value(in.SecurityPolicy),
		Ownership: aws.Value(in.OwnershipVerificationCertificateArn), Routing: aws.Value(in.RoutingMode), Access: aws.Value(in.EndpointAccessMode), Policy: aws.Value(in.Policy),
		Endpoint: domain.Endpoint{Type: endpoint.Types[0], IPAddress: *endpoint.IpAddressType}}
	if n.Security == "" {
		n.Security = api.SecurityPolicyTls12
	}
	e := &n.Endpoint
	e.ARN, e.CertName = aws.Value(in.RegionalCertificateArn), aws.Value(in.RegionalCertificateName)
	if e.Type == api.EndpointTypeEdge {
		e.ARN, e.CertName = aws.Value(in.CertificateArn), aws.Value(in.CertificateName)
	}
	s.place(ctx, e)
	if err := s.upload(n, in); err != nil {
		return nil, err
	}
	if m := in.MutualTlsAuthentication; m != nil && aws.Value(m.TruststoreUri) != "" {
		n.Mutual = &domain.Mutual{URI: *m.TruststoreUri, Version: aws.Value(m.TruststoreVersion)}
		if err := s.readTrustStore(ctx, n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func privateDomains() error {
	return aws.Errorf(501, "NotImplemented", "Private custom domain names are not available in this version of Tule.")
}

func noRoutingRules() error {
	return aws.Errorf(501, "NotImplemented", "Routing rules are not available in this version of Tule.")
}

// upload keeps a certificate that comes with its key.
func (s *Service) upload(n *domain.Name, in *api.CreateDomainNameRequest) error {
	if in.CertificateBody == nil && in.CertificatePrivateKey == nil {
		return nil
	}
	if in.CertificateBody == nil || in.CertificatePrivateKey == nil {
		return api.BadRequestException("Both certificate body and certificate private key must be specified")
	}
	if n.Endpoint.ARN != "" {
		return api.BadRequestException("Cannot specify both a certificate ARN and a certificate body")
	}
	if s.Box == nil {
		return aws.Errorf(501, "NotImplemented", "This Tule has no key file to seal certificates' keys with.")
	}
	c, err := domain.Sealed(s.Box, n.Name, *in.CertificateBody, aws.Value(in.CertificateChain), *in.CertificatePrivateKey)
	if err != nil {
		return api.BadRequestException("Invalid certificate specified: the certificate and its private key do not belong together, or are not in PEM").Because(err)
	}
	n.Endpoint.Certificate, n.Endpoint.Uploaded = c, s.now()
	return nil
}

// readTrustStore reads the certificates that clients are held to, as the caller: who
// names an object that he may not read learns nothing of it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mutual-tls.html
func (s *Service) readTrustStore(ctx context.Context, n *domain.Name) error {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(n.Mutual.URI, "s3://"), "/")
	if !ok || !strings.HasPrefix(n.Mutual.URI, "s3://") || bucket == "" || key == "" {
		return api.BadRequestException("Invalid truststore URI specified: %s. It must be of the form s3://bucket/key", n.Mutual.URI)
	}
	if n.Endpoint.Type != api.EndpointTypeRegional {
		return api.BadRequestException("Mutual TLS authentication is only supported for regional domain names")
	}
	if n.Security == "TLS_1_0" {
		return api.BadRequestException("Mutual TLS authentication requires a security policy of TLS_1_2 or later")
	}
	in := &s3.GetObjectRequest{Bucket: &bucket, Key: &key}
	if n.Mutual.Version != "" {
		in.VersionId = &n.Mutual.Version
	}
	out, err := s3.GetObject.Do(ctx, s.Peers, in)
	var refused *aws.Error
	if errors.As(err, &refused) && !refused.Server() {
		return api.BadRequestException("Could not read the truststore %s: %s", n.Mutual.URI, refused.Message).Because(err)
	}
	if err != nil {
		return err
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, maxTrustStore+1))
	if err != nil {
		return err
	}
	if len(text) > maxTrustStore {
		return api.BadRequestException("The truststore %s is larger than 1 MB", n.Mutual.URI)
	}
	if _, err := domain.Roots(string(text)); err != nil {
		return api.BadRequestException("The truststore %s has no valid certificate", n.Mutual.URI).Because(err)
	}
	n.Mutual.PEM = string(text)
	return nil
}

// zones are the hosted zones of regional endpoints.
// https://docs.aws.amazon.com/general/latest/gr/apigateway.html
var zones = map[string]string{
	"us-east-1": "Z1UJRXOUMOOFQ8", "us-east-2": "ZOJJZC49E0EPZ", "us-west-1": "Z2MUQ32089INYE", "us-west-2": "Z2OJLYMUO9EFXC",
	"eu-west-1": "ZLY8HYME6SFDD", "eu-west-2": "ZJ5UAJN8Y3Z2Q", "eu-west-3": "Z3KY65QIEKYHQQ", "eu-central-1": "Z1U9ULNL0V5AJ3", "eu-north-1": "Z3UWIKFBOOGXPP",
	"ap-northeast-1": "Z1YSHQZHG15GKL", "ap-northeast-2": "Z20JF4UZKIW1U8", "ap-south-1": "Z3VO1THU9YC4RR",
	"ap-southeast-1": "ZL327KTPIQFUL", "ap-southeast-2": "Z2RPCDW04V8134", "ca-central-1": "Z19DQILCV0OWEC", "sa-east-1": "ZCMLWB8V5SYIT",
}

// place says where an endpoint's DNS record is to point. Both kinds lead to a name that
// Tule steers: there is no CloudFront.
func (s *Service) place(ctx context.Context, e *domain.Endpoint) {
	region := scope(ctx).Region
	e.Target = "d-" + aws.RandomID(s.Random, aws.LowerAlnm, 10) + ".execute-api." + region + ".amazonaws.com"
	if e.Zone = zones[region]; e.Zone == "" || e.Type == api.EndpointTypeEdge {
		e.Zone = "Z2FDTNDATAQYW2"
	}
}

// describeDomain is a domain name as its caller sees it.
func describeDomain(ctx context.Context, n *domain.Name) *api.DomainName {
	e := n.Endpoint
	out := &api.DomainName{DomainName: &n.Name, Tags: n.Tags, SecurityPolicy: &n.Security, DomainNameStatus: ptr(api.DomainNameStatusAvailable),
		DomainNameArn:         ptr(aws.NewARN(service, scope(ctx).Region, "", "/domainnames/"+n.Name).String()),
		EndpointConfiguration: &api.EndpointConfiguration{Types: []string{e.Type}, IpAddressType: &e.IPAddress},
		RoutingMode:           filledText(n.Routing), OwnershipVerificationCertificateArn: filledText(n.Ownership),
		EndpointAccessMode: filledText(n.Access), Policy: filledText(n.Policy), ManagementPolicy: filledText(n.Management)}
	if out.RoutingMode == nil {
		out.RoutingMode = ptr(api.RoutingModeBasePathMappingOnly)
	}
	out.CertificateUploadDate = e.Uploaded
	if e.Type == api.EndpointTypeEdge {
		out.DistributionDomainName, out.DistributionHostedZoneId = &e.Target, &e.Zone
		out.CertificateArn, out.CertificateName = filledText(e.ARN), filledText(e.CertName)
	} else {
		out.RegionalDomainName, out.RegionalHostedZoneId = &e.Target, &e.Zone
		out.RegionalCertificateArn, out.RegionalCertificateName = filledText(e.ARN), filledText(e.CertName)
	}
	if m := n.Mutual; m != nil {
		out.MutualTlsAuthentication = &api.MutualTlsAuthentication{TruststoreUri: &m.URI, TruststoreVersion: filledText(m.Version), TruststoreWarnings: m.Warnings}
	}
	return out
}

// filledText is a text that is there, or nil.
func filledText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func readDomain(ctx context.Context, r store.Reader, name *string) (domain.Name, error) {
	n, err := domain.Get(ctx, r, scope(ctx), aws.Value(name))
	return n, orElse(err, noDomain())
}

func (s *Service) getDomainName(ctx context.Context, in *api.GetDomainNameRequest) (*api.DomainName, error) {
	return view(ctx, s, func(r store.Reader) (*api.DomainName, error) {
		n, err := readDomain(ctx, r, in.DomainName)
		if err != nil {
			return nil, err
		}
		return describeDomain(ctx, &n), nil
	})
}

func (s *Service) getDomainNames(ctx context.Context, in *api.GetDomainNamesRequest) (*api.DomainNames, error) {
	size, after, err := pageFrom(in.Limit, in.Position)
	if err != nil {
		return nil, err
	}
	return view(ctx, s, func(r store.Reader) (*api.DomainNames, error) {
		names, err := domain.List(ctx, r, scope(ctx), aws.Value(after), size+1)
		out := &api.DomainNames{Items: []api.DomainName{}}
		for i := range names {
			if i == size {
				out.Position = ptr(aws.Token(names[i-1].Name))
				break
			}
			out.Items = append(out.Items, *describeDomain(ctx, &names[i]))
		}
		return out, err
	})
}

// pageFrom reads how long a page is to be, and behind what it begins; nil for the first.
func pageFrom(limit *int32, position *string) (size int, after *string, err error) {
	size = 25
	if limit != nil {
		size = int(*limit)
	}
	if size < 1 || size > 500 {
		return 0, nil, api.BadRequestException("Invalid limit specified. Must be between 1 and 500")
	}
	if aws.Value(position) == "" {
		return size, nil, nil
	}
	after = new(string)
	if !aws.ParseToken(*position, after) {
		return 0, nil, api.BadRequestException("Invalid position parameter specified")
	}
	return size, after, nil
}

func (s *Service) deleteDomainName(ctx context.Context, in *api.DeleteDomainNameRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		n, err := readDomain(ctx, tx, in.DomainName)
		if err != nil {
			return err
		}
		return domain.Delete(tx, scope(ctx), n.Name)
	})
}
