package store_test

import (
	"errors"
	"testing"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/store/storetest"
)

func TestContract(t *testing.T) {
	for name, open := range map[string]func(*testing.T, aws.Clock) *store.Pebble{
		"memory": func(_ *testing.T, clock aws.Clock) *store.Pebble { return store.Memory(clock) },
		"disk": func(t *testing.T, clock aws.Clock) *store.Pebble {
			st, err := store.Open(t.TempDir(), store.Options{Clock: clock})
			if err != nil {
				t.Fatal(err)
			}
			return st
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, clock aws.Clock) store.Store {
				st := open(t, clock)
				t.Cleanup(func() {
					if err := st.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
						t.Error(err)
					}
				})
				return st
			})
		})
	}
}
