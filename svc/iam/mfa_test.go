package iam

import (
	"bytes"
	"context"
	"encoding/base32"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/hotp"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// withCodes has scripts say «111111» and «222222» for two good codes in a row, the
// second of which is the next to come.
func withCodes(s *Service, routes []aws.Route) []aws.Route {
	good := func(ctx context.Context, serial string, code1, code2 *string) {
		if *code1 != "111111" || *code2 != "222222" {
			return
		}
		_ = s.store.View(ctx, func(r store.Reader) error {
			d, err := loadDevice(ctx, r, account(ctx), serial)
			if err != nil {
				return err
			}
			seed, err := s.seed(account(ctx), d)
			at := max(step(s.clock.Now())+1, d.Used+2)
			*code1, *code2 = codeAt(seed, at-1), codeAt(seed, at)
			return err
		})
	}
	for i := range routes {
		call := routes[i].Call
		routes[i].Call = func(ctx context.Context, in any) (any, error) {
			switch in := in.(type) {
			case *api.EnableMFADeviceRequest:
				good(ctx, *in.SerialNumber, in.AuthenticationCode1, in.AuthenticationCode2)
			case *api.ResyncMFADeviceRequest:
				good(ctx, *in.SerialNumber, in.AuthenticationCode1, in.AuthenticationCode2)
			}
			return call(ctx, in)
		}
	}
	return routes
}

func codeAt(seed []byte, at int64) string {
	code, err := hotp.GenerateCode(base32.StdEncoding.EncodeToString(seed), uint64(at))
	if err != nil {
		panic(err)
	}
	return code
}

// The first test vectors of RFC 6238, of whose eight digits the last six are ours.
func TestCodes(t *testing.T) {
	seed := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		now := step(time.Unix(at, 0))
		if got, ok := match(seed, want, now, 0); !ok || got != now {
			t.Errorf("%s at %d: %d, %v", want, at, got, ok)
		}
		for _, c := range []struct {
			now, used int64
			ok        bool
		}{{now + 1, 0, true}, {now - 1, 0, true}, {now + 2, 0, false}, {now - 2, 0, false}, {now, now, false}, {now, now - 1, true}} {
			if _, ok := match(seed, want, c.now, c.used); ok != c.ok {
				t.Errorf("%s now %+d, used %+d: %v", want, c.now-now, c.used-now, ok)
			}
		}
	}
	for _, code := range []string{"", "28708", "2870822", "28708x", " 287082"} {
		if _, ok := match(seed, code, step(time.Unix(59, 0)), 0); ok && strings.TrimSpace(code) != "287082" {
			t.Errorf("%q is taken", code)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("12345678901234567890"), "287082", int64(1), int64(0))
	f.Add([]byte{}, "", int64(-5), int64(1<<62))
	f.Fuzz(func(t *testing.T, seed []byte, code string, now, used int64) {
		now, used = now%(1<<40), used%(1<<40)
		if at, ok := match(seed, code, now, used); ok && (at <= used || at < now-slack || at > now+slack) {
			t.Errorf("step %d is taken at %d after %d", at, now, used)
		}
	})
}

// newDevice makes a device, gives it to a user, or to root where user is "", and is
// its serial number and seed.
func newDevice(t testing.TB, s *Service, ctx context.Context, name, userName string) (serial string, seed []byte) {
	t.Helper()
	out, err := s.createVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: &name})
	if err != nil {
		t.Fatal(err)
	}
	serial = *out.VirtualMFADevice.SerialNumber
	if seed, err = base32.StdEncoding.DecodeString(string(out.VirtualMFADevice.Base32StringSeed)); err != nil || len(seed) != 40 {
		t.Fatalf("%d bytes of seed, %v", len(seed), err)
	}
	if userName == "" {
		userName = "root"
	}
	now := step(s.clock.Now())
	_, err = s.enableMFADevice(ctx, &api.EnableMFADeviceRequest{SerialNumber: &serial, UserName: &userName,
		AuthenticationCode1: ptr(codeAt(seed, now-1)), AuthenticationCode2: ptr(codeAt(seed, now))})
	if err != nil {
		t.Fatal(err)
	}
	return serial, seed
}

func caller(t testing.TB, s *Service, ctx context.Context, k *api.AccessKey) *aws.Caller {
	t.Helper()
	_, c, err := s.Key(ctx, *k.AccessKeyId, "")
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

const (
	wrongCode  = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
	notYours   = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
	incomplete = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code. "
)

// shows checks what a caller hears who shows a code; "" for success.
func shows(t *testing.T, s *Service, c *aws.Caller, serial, code, want string) {
	t.Helper()
	got := ""
	if err := s.VerifyMFA(t.Context(), c, serial, code); err != nil {
		if aws.CodeOf(err) != "AccessDenied" {
			t.Errorf("showing %s: %v", code, err)
		}
		got = strings.TrimPrefix(err.Error(), "AccessDenied: ")
	}
	if got != want {
		t.Errorf("showing %s: %q, want %q", code, got, want)
	}
}

func TestVerifyMFA(t *testing.T) {
	s, h, ctx := house(t)
	anna, bert := caller(t, s, ctx, newUser(t, s, ctx, "anna")), caller(t, s, ctx, newUser(t, s, ctx, "bert"))
	serial, seed := newDevice(t, s, ctx, "annas", "anna")
	now := func() int64 { return step(h.Clock.Now()) }

	shows(t, s, anna, serial, codeAt(seed, now()), wrongCode) // EnableMFADevice used it up
	shows(t, s, anna, serial, codeAt(seed, now()+1), "")
	shows(t, s, anna, serial, codeAt(seed, now()+1), wrongCode)
	h.Clock.Advance(10 * time.Minute)
	shows(t, s, anna, serial, codeAt(seed, now()-2), wrongCode)
	shows(t, s, anna, serial, codeAt(seed, now()+2), wrongCode)
	shows(t, s, anna, serial, codeAt(seed, now()), "")
	shows(t, s, anna, serial, codeAt(seed, now()-1), wrongCode) // older than one that was used

	h.Clock.Advance(time.Minute)
	session := *anna
	session.Kind = aws.AssumedRole
	foreign := *anna
	foreign.Account = "111111111111"
	for _, c := range []*aws.Caller{bert, &session, &foreign} {
		shows(t, s, c, serial, codeAt(seed, now()), notYours)
	}
	shows(t, s, anna, serial+"x", codeAt(seed, now()), notYours)
	shows(t, s, anna, "", codeAt(seed, now()), incomplete)
	shows(t, s, anna, serial, "", incomplete)
	shows(t, s, anna, serial, codeAt(seed, now()), "")
}

// After five wrong codes, no code is good until the next is due.
func TestGuessing(t *testing.T) {
	s, h, ctx := house(t)
	anna := caller(t, s, ctx, newUser(t, s, ctx, "anna"))
	serial, seed := newDevice(t, s, ctx, "annas", "anna")
	h.Clock.Advance(time.Minute)
	good := codeAt(seed, step(h.Clock.Now()))
	for range 5 {
		shows(t, s, anna, serial, codeAt(seed, 1), wrongCode)
	}
	shows(t, s, anna, serial, good, wrongCode)
	h.Clock.Advance(period * time.Second)
	shows(t, s, anna, serial, good, "") // one step late
}

// A device whose clock is off is learnt of by ResyncMFADevice; one that was already
// used is not, however late it comes.
func TestDrift(t *testing.T) {
	s, h, ctx := house(t)
	anna := caller(t, s, ctx, newUser(t, s, ctx, "anna"))
	serial, seed := newDevice(t, s, ctx, "annas", "anna")
	h.Clock.Advance(time.Hour)
	now := step(h.Clock.Now())
	resync := func(at int64) error {
		_, err := s.resyncMFADevice(ctx, &api.ResyncMFADeviceRequest{SerialNumber: &serial, UserName: ptr("anna"),
			AuthenticationCode1: ptr(codeAt(seed, at-1)), AuthenticationCode2: ptr(codeAt(seed, at))})
		return err
	}
	shows(t, s, anna, serial, codeAt(seed, now-10), wrongCode)
	for _, at := range []int64{now - maxDrift, now - maxDrift - 1, now + maxDrift + 1} {
		if err := resync(at); aws.CodeOf(err) != "InvalidAuthenticationCode" {
			t.Errorf("%+d: %v", at-now, err)
		}
	}
	if err := resync(now - 10); err != nil {
		t.Fatal(err)
	}
	if err := resync(now - 10); aws.CodeOf(err) != "InvalidAuthenticationCode" {
		t.Errorf("the same codes again: %v", err)
	}
	h.Clock.Advance(period * time.Second)
	shows(t, s, anna, serial, codeAt(seed, now+1), wrongCode)
	shows(t, s, anna, serial, codeAt(seed, now-9), "")
}

// Root has a device of its own, which it alone can take.
func TestRootDevice(t *testing.T) {
	s, h, ctx := house(t)
	newUser(t, s, ctx, "anna")
	serial, seed := newDevice(t, s, ctx, rootDevice, "")
	if serial != "arn:aws:iam::000000000000:mfa/root-account-mfa-device" {
		t.Error(serial)
	}
	h.Clock.Advance(time.Minute)
	root := aws.RequestOf(ctx).Caller
	shows(t, s, &root, serial, codeAt(seed, step(h.Clock.Now())), "")

	req := aws.RequestOf(ctx)
	asAnna := aws.WithRequest(ctx, req.As(aws.Caller{Kind: aws.User, Account: "000000000000", ARN: "arn:aws:iam::000000000000:user/anna", UserID: "AIDAX"}))
	if _, err := s.deactivateMFADevice(asAnna, &api.DeactivateMFADeviceRequest{SerialNumber: &serial, UserName: ptr("anna")}); aws.CodeOf(err) != "NoSuchEntity" {
		t.Error(err)
	}
	if _, err := s.deactivateMFADevice(ctx, &api.DeactivateMFADeviceRequest{SerialNumber: &serial}); err != nil {
		t.Error(err)
	}
	now := step(h.Clock.Now())
	_, err := s.enableMFADevice(asAnna, &api.EnableMFADeviceRequest{SerialNumber: &serial, UserName: ptr("anna"),
		AuthenticationCode1: ptr(codeAt(seed, now)), AuthenticationCode2: ptr(codeAt(seed, now+1))})
	if aws.CodeOf(err) != "AccessDeniedException" {
		t.Error(err)
	}
}

// Seeds are sealed, and their picture is one.
func TestSeed(t *testing.T) {
	s, h, ctx := house(t)
	out, err := s.createVirtualMFADevice(ctx, &api.CreateVirtualMFADeviceRequest{VirtualMFADeviceName: ptr("phone")})
	if err != nil {
		t.Fatal(err)
	}
	d := out.VirtualMFADevice
	raw, err := base32.StdEncoding.DecodeString(string(d.Base32StringSeed))
	if err != nil || len(d.Base32StringSeed) != 64 || holds(t, h, string(d.Base32StringSeed)) || holds(t, h, string(raw)) {
		t.Errorf("the seed %s is no seed, or no secret: %v", d.Base32StringSeed, err)
	}
	picture, err := png.Decode(bytes.NewReader(d.QRCodePNG))
	if err != nil || picture.Bounds().Dx() != qrSize || picture.Bounds().Dy() != qrSize {
		t.Errorf("a picture of %v, %v", picture, err)
	}
}
