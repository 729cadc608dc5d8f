package iam

import (
	"slices"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
)

func TestOIDCProvider(t *testing.T) {
	s, _, ctx := house(t)
	const a, url = "000000000000", "https://id.example.com/tenant"
	if _, err := s.createOpenIDConnectProvider(ctx, &api.CreateOpenIDConnectProviderRequest{Url: ptr(url),
		ClientIDList: []string{"app"}, ThumbprintList: []string{strings.Repeat("AB", 20)}}); err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []string{url, "id.example.com/tenant"} {
		arn, clients, prints, err := s.OIDCProvider(ctx, a, issuer)
		if err != nil || arn != "arn:aws:iam::000000000000:oidc-provider/id.example.com/tenant" ||
			!slices.Equal(clients, []string{"app"}) || !slices.Equal(prints, []string{strings.Repeat("ab", 20)}) {
			t.Errorf("%s: %s %v %v %v", issuer, arn, clients, prints, err)
		}
	}
	// What differs from the URL by as much as a byte is somebody else.
	for _, issuer := range []string{"", "https://", url + "/", "https://ID.example.com/tenant", "http://id.example.com/tenant", "https://id.example.com"} {
		if arn, _, _, err := s.OIDCProvider(ctx, a, issuer); arn != "" || err != nil {
			t.Errorf("%q: %s %v", issuer, arn, err)
		}
	}
	if arn, _, _, err := s.OIDCProvider(ctx, "111111111111", url); arn != "" || err != nil {
		t.Errorf("of another account: %s %v", arn, err)
	}
}

func TestOIDCQuota(t *testing.T) {
	s, _, ctx := house(t)
	create := func(i int) error {
		_, err := s.createOpenIDConnectProvider(ctx, &api.CreateOpenIDConnectProviderRequest{Url: ptr("https://example.com/" + strings.Repeat("x", i))})
		return err
	}
	for i := range maxOIDCProviders {
		if err := create(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := create(maxOIDCProviders); aws.CodeOf(err) != "LimitExceeded" {
		t.Error(err)
	}
	if err := create(1); aws.CodeOf(err) != "EntityAlreadyExists" {
		t.Error(err)
	}
}

// A URL that is taken is, with "https://" before it, the text that was given.
func FuzzIssuer(f *testing.F) {
	for _, url := range []string{"https://example.com", "https://example.com:8443/a/b", "http://example.com", "https://a@b", "https://", "https://[::1]/", "https://x/%2f", "https://x/?"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		rest, err := issuer(url)
		if err != nil {
			if code := aws.CodeOf(err); code != "ValidationError" && code != "InvalidInput" {
				t.Errorf("%q: %v", url, err)
			}
			return
		}
		if "https://"+rest != url || strings.ContainsAny(rest, "?#@* ") || rest == "" {
			t.Errorf("%q became %q", url, rest)
		}
	})
}
