package iam

import (
	"slices"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/seal"
)

func trusting(arn string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":"sts:AssumeRole"}]}`
}

// A role lets in whom it meant, and nobody who has come by his name.
func TestRoleKeepsWhomItTrusts(t *testing.T) {
	s, h, ctx := house(t)
	const anna, r = "arn:aws:iam::000000000000:user/anna", "arn:aws:iam::000000000000:role/r"
	make := func() string {
		t.Helper()
		out, err := s.createUser(ctx, &api.CreateUserRequest{UserName: ptr("anna")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.User.UserId
	}
	trusts := func(want string) {
		t.Helper()
		for _, of := range []*Service{s, New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Keys: seal.New([32]byte{1}, h.Random)})} {
			if got, _, _, err := of.Role(ctx, r); err != nil || got != trusting(want) {
				t.Errorf("trusts %s, %v; want %s", got, err, want)
			}
		}
	}
	id := make()
	if _, err := s.createRole(ctx, &api.CreateRoleRequest{RoleName: ptr("r"), AssumeRolePolicyDocument: ptr(trusting(anna))}); err != nil {
		t.Fatal(err)
	}
	trusts(anna)
	if _, err := s.deleteUser(ctx, &api.DeleteUserRequest{UserName: ptr("anna")}); err != nil {
		t.Fatal(err)
	}
	trusts(id)
	if again := make(); again == id {
		t.Fatal("the same id twice")
	}
	trusts(id)
	if _, err := s.updateAssumeRolePolicy(ctx, &api.UpdateAssumeRolePolicyRequest{RoleName: ptr("r"), PolicyDocument: ptr(trusting(anna))}); err != nil {
		t.Fatal(err)
	}
	trusts(anna)
}

func TestRoleTags(t *testing.T) {
	s, _, ctx := house(t)
	_, err := s.createRole(ctx, &api.CreateRoleRequest{RoleName: ptr("r"), Path: ptr("/p/"), AssumeRolePolicyDocument: ptr(trusting("*")),
		Tags: []api.Tag{{Key: ptr("team"), Value: ptr("a")}}})
	if err != nil {
		t.Fatal(err)
	}
	for arn, want := range map[string]string{"arn:aws:iam::000000000000:role/p/r": "a", "arn:aws:iam::000000000000:role/r": "",
		"arn:aws:iam::111111111111:role/p/r": "", "r": "", "": ""} {
		if tags, err := s.RoleTags(ctx, arn); err != nil || tags["team"] != want {
			t.Errorf("%q has %v, %v", arn, tags, err)
		}
	}
}

func TestRenamePrincipals(t *testing.T) {
	for _, c := range [][2]string{
		{`{"Statement":{"Principal":{"AWS":"a"},"Condition":{"StringEquals":{"aws:PrincipalArn":"a"}}}}`,
			`{"Statement":{"Principal":{"AWS":"b"},"Condition":{"StringEquals":{"aws:PrincipalArn":"a"}}}}`},
		{"{ \"Statement\" : [ {}, { \"NotPrincipal\" :\n{ \"Service\": \"a\", \"AWS\" : [ \"x\" , \"a\", \"\\u0061\" ] } } ], \"Id\": \"a\" } ",
			"{ \"Statement\" : [ {}, { \"NotPrincipal\" :\n{ \"Service\": \"a\", \"AWS\" : [ \"x\" , \"b\", \"b\" ] } } ], \"Id\": \"a\" } "},
		{`{"Statement":{"Principal":"a","Sid":"a","Action":["a"]},"AWS":"a"}`, `{"Statement":{"Principal":"a","Sid":"a","Action":["a"]},"AWS":"a"}`},
		{`{"Id":{"Statement":{"Principal":{"AWS":"a"}}}}`, `{"Id":{"Statement":{"Principal":{"AWS":"a"}}}}`},
	} {
		got, err := renamePrincipals(c[0], func(s string) string { return strings.ReplaceAll(s, "a", "b") })
		if err != nil || got != c[1] {
			t.Errorf("%s becomes %s, %v", c[0], got, err)
		}
	}
	for _, text := range []string{`{`, `{"Statement":`, `[1`, `{"a"}`} {
		if got, err := renamePrincipals(text, func(s string) string { return s }); err == nil {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}

// Whatever is a policy names the others afterwards, and is the same beside.
func FuzzRenamePrincipals(f *testing.F) {
	f.Add(trusting("a"))
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":"*","Action":"*"},{"Effect":"Deny","NotPrincipal":{"AWS":["a","b"],"Service":"a"},"Action":"*"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := policy.Parse(text)
		if err != nil {
			return
		}
		if got, err := renamePrincipals(text, func(s string) string { return s }); err != nil || got != text {
			t.Fatalf("%q becomes %q, %v", text, got, err)
		}
		got, err := renamePrincipals(text, func(s string) string { return s + "'" })
		if err != nil {
			t.Fatal(err)
		}
		after, err := policy.Parse(got)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", text, got, err)
		}
		for i, st := range doc.Statements {
			now := after.Statements[i]
			if len(now.Principals) != len(st.Principals) || !slices.Equal(now.Actions, st.Actions) {
				t.Fatalf("%q becomes %q", text, got)
			}
			for j, p := range st.Principals {
				want := p.Value
				if p.Type == "AWS" {
					want += "'"
				}
				if have := now.Principals[j].Value; have != want && p.Value != "*" { // which may be no principal of type AWS
					t.Fatalf("%q becomes %q: %q is %q", text, got, p.Value, have)
				}
			}
		}
	})
}
