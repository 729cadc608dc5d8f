package domain_test

import (
	"errors"
	"testing"

	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

var (
	virginia = store.Scope{Account: "111111111111", Region: "us-east-1"}
	ireland  = store.Scope{Account: "222222222222", Region: "eu-west-1"}
)

// furnish is a store with two names, of which one is in two regions.
func furnish(t testing.TB) *store.Pebble {
	t.Helper()
	st := script.New().Store
	t.Cleanup(func() { st.Close() })
	err := st.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			domain.Put(tx, virginia, domain.Name{Name: "API.example.com"}),
			domain.Put(tx, ireland, domain.Name{Name: "api.example.com"}),
			domain.Put(tx, virginia, domain.Name{Name: "*.example.com"}),
			domain.Map(tx, virginia, "api.example.com", domain.Mapping{Path: "", APIID: "all", Stage: "prod"}),
			domain.Map(tx, virginia, "api.example.com", domain.Mapping{Path: "orders", APIID: "orders", Stage: "prod"}),
			domain.Map(tx, virginia, "Api.Example.Com", domain.Mapping{Path: "orders/v1/items", APIID: "items"}),
			domain.Map(tx, virginia, "*.example.com", domain.Mapping{Path: "pets", APIID: "pets", Stage: "prod"}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestFind(t *testing.T) {
	st := furnish(t)
	for _, c := range []struct{ host, path, api, base, rest string }{
		{"api.example.com", "/", "all", "", "/"},
		{"api.example.com:4566", "/pets/1", "all", "", "/pets/1"},
		{"api.example.com.", "", "all", "", ""},
		{"API.EXAMPLE.COM", "/orders", "orders", "/orders", ""},
		{"api.example.com", "/orders/", "orders", "/orders", "/"},
		{"api.example.com", "/orders/1", "orders", "/orders", "/1"},
		{"api.example.com", "/orders/v1", "orders", "/orders", "/v1"},
		{"api.example.com", "/orders/v1/items/7", "items", "/orders/v1/items", "/7"},
		{"api.example.com", "/ordersandmore", "all", "", "/ordersandmore"},
		{"api.example.com", "/orders%2Fv1", "all", "", "/orders%2Fv1"},
		{"api.example.com", "/Orders", "all", "", "/Orders"},
		{"api.example.com", "//orders/1", "orders", "/orders", "/1"},
		{"shop.example.com", "/pets/1", "pets", "/pets", "/1"},
		{"shop.example.com", "/dogs", "none", "", ""},
		{"deep.shop.example.com", "/pets", "", "", ""},
		{"example.com", "/", "", "", ""},
		{"localhost:4566", "/orders", "", "", ""},
		{"127.0.0.1:4566", "/orders", "", "", ""},
		{"dynamodb.us-east-1.amazonaws.com", "/", "", "", ""},
	} {
		var hit *domain.Hit
		err := st.View(t.Context(), func(r store.Reader) (err error) {
			hit, err = domain.Find(t.Context(), r, c.host, c.path, "us-east-1")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if hit != nil {
			got = "none"
			if hit.Mapping != nil {
				got = hit.Mapping.APIID
			}
			if hit.At != virginia {
				t.Errorf("%s is of %v", c.host, hit.At)
			}
		}
		if got != c.api || hit != nil && hit.Mapping != nil && (hit.Base != c.base || hit.Rest != c.rest) {
			t.Errorf("%s%s: %q %+v", c.host, c.path, got, hit)
		}
	}
}

// A host alone leads to one region, always the same; who signed for another gets that.
func TestRegions(t *testing.T) {
	st := furnish(t)
	for region, want := range map[string]store.Scope{"": ireland, "us-east-1": virginia, "eu-west-1": ireland, "ap-southeast-1": ireland} {
		err := st.View(t.Context(), func(r store.Reader) error {
			at, _, ok, err := domain.Host(t.Context(), r, "api.example.com", region)
			if !ok || at != want {
				t.Errorf("%q leads to %v, %v", region, at, ok)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// With a name go its mappings, and the host leads nowhere.
func TestDelete(t *testing.T) {
	st := furnish(t)
	err := st.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(domain.Delete(tx, virginia, "api.example.com"), domain.Delete(tx, ireland, "API.example.com"))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = st.View(t.Context(), func(r store.Reader) error {
		left, err := domain.Mappings(t.Context(), r, virginia, "api.example.com", nil, 0)
		if len(left) != 0 {
			t.Errorf("%v are left", left)
		}
		hit, err2 := domain.Find(t.Context(), r, "api.example.com", "/orders", "")
		if hit == nil || hit.Name.Name != "*.example.com" || hit.Mapping != nil {
			t.Errorf("%+v", hit)
		}
		names, err3 := domain.List(t.Context(), r, virginia, "", 10)
		if len(names) != 1 {
			t.Errorf("%v", names)
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// An index that has outlived its names leads nowhere.
func TestStaleIndex(t *testing.T) {
	st := furnish(t)
	for _, account := range []string{virginia.Account, ireland.Account} {
		if err := store.Reset(t.Context(), st, account, ""); err != nil {
			t.Fatal(err)
		}
	}
	err := st.View(t.Context(), func(r store.Reader) error {
		hit, err := domain.Find(t.Context(), r, "api.example.com", "/orders", "")
		if hit != nil {
			t.Errorf("%+v", hit)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPaging(t *testing.T) {
	st := furnish(t)
	err := st.View(t.Context(), func(r store.Reader) error {
		first, err := domain.Mappings(t.Context(), r, virginia, "api.example.com", nil, 2)
		if len(first) != 2 || first[0].Path != "" || first[1].Path != "orders" {
			t.Errorf("%v", first)
		}
		rest, err2 := domain.Mappings(t.Context(), r, virginia, "api.example.com", &first[1].Path, 2)
		if len(rest) != 1 || rest[0].Path != "orders/v1/items" {
			t.Errorf("%v", rest)
		}
		after, err3 := domain.List(t.Context(), r, virginia, "*.example.com", 5)
		if len(after) != 1 || after[0].Name != "api.example.com" {
			t.Errorf("%v", after)
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("api.example.com", "/orders/v1/items/7")
	f.Add("", "//%2F/")
	f.Add("*.example.com:1", "orders")
	f.Add("[::1]:80", "\x00/..")
	st := furnish(f)
	f.Fuzz(func(t *testing.T, host, path string) {
		err := st.View(t.Context(), func(r store.Reader) error {
			hit, err := domain.Find(t.Context(), r, host, path, "")
			if hit != nil && hit.Mapping != nil && hit.Rest != "" && hit.Rest[0] != '/' {
				t.Errorf("%q leaves %q", path, hit.Rest)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
