package lambda

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// raw is everything that a store holds.
func raw(t testing.TB, st store.Store) []byte {
	t.Helper()
	var all bytes.Buffer
	err := st.View(t.Context(), func(r store.Reader) error {
		for kv, err := range r.Range(context.Background(), nil, nil, store.RangeOptions{}) {
			if err != nil {
				return err
			}
			all.Write(kv.Key)
			all.Write(kv.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// The store never sees a function's variables, and functions find them.
func TestVariablesAreSealed(t *testing.T) {
	keys := seal.New([32]byte{1}, rand.Reader)
	st := newStand(t, func(o *Options) { o.Keys = keys })
	const first, second = "first-5f1c2e", "second-77a0b1"
	st.create("f", "nodejs20.x", `exports.handler = async () => process.env.WORD;`, func(in *api.CreateFunctionRequest) {
		in.Environment, in.Publish = &api.Environment{Variables: map[string]string{"WORD": first}}, ptr(true)
	})
	if got, log := st.call("f", "{}"); got != `"`+first+`"` {
		t.Errorf("%s\n%s", got, log)
	}
	if _, err := st.updateFunctionConfiguration(st.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"),
		Environment: &api.Environment{Variables: map[string]string{"WORD": second}}}); err != nil {
		t.Fatal(err)
	}
	if got, log := st.call("f", "{}"); got != `"`+second+`"` {
		t.Errorf("%s\n%s", got, log)
	}
	if got, log := st.call("f:1", "{}"); got != `"`+first+`"` {
		t.Errorf("%s\n%s", got, log)
	}
	all := raw(t, st.Store)
	if !bytes.Contains(all, []byte("index.handler")) {
		t.Fatal("the function's record was not read")
	}
	for _, secret := range []string{first, second, "WORD"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("%s lies open in the store", secret)
		}
	}
}

// Who has lost the keys has lost the variables, and nothing else.
func TestVariablesOfOtherKeys(t *testing.T) {
	old := newStandOn(t, nil, func(o *Options) { o.Keys = seal.New([32]byte{1}, rand.Reader) })
	old.create("f", "nodejs20.x", "", func(in *api.CreateFunctionRequest) {
		in.Environment = &api.Environment{Variables: map[string]string{"A": "b"}}
	})
	s := New(Options{Store: old.Store, Blobs: old.Blobs, Clock: old.clock, Random: old.house.Random, Peers: old.house, Dir: t.TempDir(),
		Keys: seal.New([32]byte{2}, rand.Reader)})
	got, err := s.getFunctionConfiguration(old.ctx(), &api.GetFunctionConfigurationRequest{FunctionName: ptr("f")})
	if err != nil || got.Environment == nil || got.Environment.Error == nil || got.Environment.Variables != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	found, err := s.find(old.ctx(), ptr("f"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := found.version.checkLocked(); err == nil || !strings.Contains(err.Error(), "unable to decrypt the environment variables") {
		t.Error(err)
	}
	again, err := s.updateFunctionConfiguration(old.ctx(), &api.UpdateFunctionConfigurationRequest{FunctionName: ptr("f"),
		Environment: &api.Environment{Variables: map[string]string{"A": "c"}}})
	if err != nil || again.Environment.Error != nil || again.Environment.Variables["A"] != "c" {
		t.Errorf("%+v, %v", again, err)
	}
}
