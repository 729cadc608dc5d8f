// Package blobtest is the contract of blob.Store, which every driver passes.
package blobtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tule-cloud/tule/blob"
)

// Run holds a driver against the contract. Open opens the same blobs again and again, as
// after a restart.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	s := open(t)
	text := strings.Repeat("0123456789", 10_000)
	name, size, err := s.Stage(t.Context(), strings.NewReader(text), int64(len(text)))
	if err != nil || size != int64(len(text)) {
		t.Fatalf("staged %d bytes, %v", size, err)
	}
	reads(t, s, name, text)
	if got := kept(t, s); len(got) != 0 {
		t.Errorf("what was staged is kept: %v", got)
	}
	if got := stale(t, s); len(got) != 0 {
		t.Errorf("what was just staged is stale: %v", got)
	}
	s = open(t)
	if got := append(stale(t, s), kept(t, s)...); !slices.Equal(got, []string{name}) {
		t.Errorf("stale, or kept, after a start: %v", got)
	}
	for range 2 {
		if err := s.Keep(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	reads(t, s, name, text)
	if got := kept(t, s); !slices.Equal(got, []string{name}) {
		t.Errorf("kept: %v", got)
	}
	large(t, s)
	for range 2 {
		if err := s.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Open(t.Context(), name, 0, 1); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("after it was deleted: %v", err)
	}
	refused(t, open, s)
}

// large is a blob of more than goes through any buffer in one piece.
func large(t *testing.T, s blob.Store) {
	t.Helper()
	text := strings.Repeat("0123456789abcdefghijklmnopqrstuv", 20<<20/32) + "end"
	name, size, err := s.Stage(t.Context(), strings.NewReader(text), int64(len(text)))
	if err != nil || size != int64(len(text)) {
		t.Fatalf("staged %d bytes, %v", size, err)
	}
	reads(t, s, name, text)
	if err := s.Delete(t.Context(), name); err != nil {
		t.Error(err)
	}
}

// refused shows that what cannot be written whole leaves nothing.
func refused(t *testing.T, open func(t *testing.T) blob.Store, s blob.Store) {
	t.Helper()
	if _, _, err := s.Stage(t.Context(), strings.NewReader("hello!"), 5); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	long := strings.Repeat("x", 17<<20)
	if _, _, err := s.Stage(t.Context(), strings.NewReader(long), int64(len(long)-1)); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("too large by a byte: %v", err)
	}
	cut := io.MultiReader(strings.NewReader("he"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, _, err := s.Stage(t.Context(), cut, 5); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	s = open(t)
	if left := append(stale(t, s), kept(t, s)...); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func reads(t *testing.T, s blob.Store, name, text string) {
	t.Helper()
	for _, at := range [][2]int64{{0, int64(len(text))}, {0, 1}, {77, 5000}, {int64(len(text)) - 1, 1}} {
		r, err := s.Open(t.Context(), name, at[0], at[1])
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil || b.String() != text[at[0]:at[0]+at[1]] {
			t.Errorf("at %v: %d bytes, %v", at, b.Len(), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func stale(t *testing.T, s blob.Store) (names []string) {
	t.Helper()
	if err := s.Stale(t.Context(), func(n string) error { names = append(names, n); return nil }); err != nil {
		t.Fatal(err)
	}
	return names
}

func kept(t *testing.T, s blob.Store) (names []string) {
	t.Helper()
	for i := range 256 {
		if err := s.Kept(t.Context(), fmt.Sprintf("%02x", i), func(n string) error { names = append(names, n); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return names
}
