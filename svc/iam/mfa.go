package iam

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A device is a virtual MFA device: a seed that an app holds, too. Its serial number
// is its ARN.
type device struct {
	Name, Path string
	Created    time.Time
	Sealed     []byte            // the seed, bound to the serial number
	Tags       map[string]string `json:",omitempty"`

	Owner   string    `json:",omitempty"` // unique id of its user, the account for root; "" for nobody
	Enabled time.Time `json:",omitzero"`
	Used    int64     `json:",omitempty"` // step of the last code that was taken
	Drift   int64     `json:",omitempty"` // steps that its clock is ahead of ours
	Wrong   int       `json:",omitempty"` // codes that were wrong in the step WrongAt
	WrongAt int64     `json:",omitempty"`
}

var (
	devices   = store.NewTable[device]("iam", "mfa")            // serial number
	devicesOf = store.NewTable[struct{}]("iam", "mfa-of-owner") // owner, serial number
)

const (
	maxDevices = 8 // of a user
	// maxWrong is how many wrong codes are looked at in thirty seconds, so that
	// guessing one takes weeks.
	maxWrong = 5
	// rootDevice is the name of a device that only root can have.
	rootDevice = "root-account-mfa-device"
)

func (d *device) serial(account string) string {
	return aws.NewARN("iam", "", account, "mfa"+d.Path+d.Name).String()
}

func rootSerial(account string) string {
	return aws.NewARN("iam", "", account, "mfa/"+rootDevice).String()
}

func noDevice(serial string) error {
	return api.NoSuchEntityException("VirtualMFADevice with serial number %s doesn't exist.", serial)
}

func loadDevice(ctx context.Context, r store.Reader, account, serial string) (*device, error) {
	d, err := devices.Get(ctx, r, scope(account), serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noDevice(serial)
	}
	return &d, err
}

func (d *device) save(tx store.Tx, account string) error {
	return devices.Put(tx, scope(account), *d, d.serial(account))
}

// editDevice changes a device of the caller's account.
func (s *Service) editDevice(ctx context.Context, serial string, fn func(tx store.Tx, d *device) error) error {
	a := account(ctx)
	return s.change(ctx, a, func(tx store.Tx) error {
		d, err := loadDevice(ctx, tx, a, serial)
		if err != nil {
			return err
		}
		if err := fn(tx, d); err != nil {
			return err
		}
		return d.save(tx, a)
	})
}

// seed opens a device's seed.
func (s *Service) seed(account string, d *device) ([]byte, error) {
	return s.seeds.Open(d.Sealed, d.serial(account))
}

// onDevice guards operations on a device itself.
func onDevice[In any](s *Service, serial func(*In) *string, own func(*In) map[string][]string) aws.Guard[In] {
	return func(ctx context.Context, in *In) ([]aws.Access, error) {
		d := &device{}
		err := s.store.View(ctx, func(r store.Reader) error {
			have, err := loadDevice(ctx, r, account(ctx), *serial(in))
			if err == nil {
				d = have
			}
			return err
		})
		if err != nil && aws.CodeOf(err) != "NoSuchEntity" {
			return nil, err
		}
		resource := *serial(in)
		if a, ok := aws.ParseARN(resource); !ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "mfa/") {
			resource = aws.NewARN("iam", "", account(ctx), "mfa/"+resource).String()
		}
		need := aws.Access{Resource: resource, Tags: standing(d.Tags)}
		if own != nil {
			need.Keys = own(in)
		}
		return []aws.Access{need}, nil
	}
}

func (s *Service) guardCreateDevice(ctx context.Context, in *api.CreateVirtualMFADeviceRequest) ([]aws.Access, error) {
	return andTagging(making(ctx, "mfa", in.Path, in.VirtualMFADeviceName, nil, in.Tags), "iam:TagMFADevice", in.Tags), nil
}

func (s *Service) createVirtualMFADevice(ctx context.Context, in *api.CreateVirtualMFADeviceRequest) (*api.CreateVirtualMFADeviceResponse, error) {
	tags, err := newTags(in.Tags)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	d := device{Name: *in.VirtualMFADeviceName, Path: aws.Value(in.Path), Created: s.now(), Tags: tags}
	if d.Path == "" {
		d.Path = "/"
	}
	serial, seed := d.serial(a), make([]byte, seedSize)
	if _, err := io.ReadFull(s.random, seed); err != nil {
		return nil, err
	}
	if d.Sealed, err = s.seeds.Seal(seed, serial); err != nil {
		return nil, err
	}
	issuer := a
	err = s.change(ctx, a, func(tx store.Tx) error {
		taken, err := devices.Has(ctx, tx, scope(a), serial)
		if err != nil {
			return err
		}
		if taken {
			return api.EntityAlreadyExistsException("MFADevice entity at the same path and name already exists.")
		}
		alias, err := s.alias(ctx, tx, a)
		if err != nil {
			return err
		}
		if issuer = a; alias != "" {
			issuer = alias
		}
		return d.save(tx, a)
	})
	if err != nil {
		return nil, err
	}
	picture, err := qrCode(d.Name, issuer, seed)
	if err != nil {
		return nil, err
	}
	return &api.CreateVirtualMFADeviceResponse{VirtualMFADevice: &api.VirtualMFADevice{SerialNumber: &serial,
		Base32StringSeed: []byte(seedText(seed)), QRCodePNG: picture, Tags: tagsOrNil(tags)}}, nil
}

func (s *Service) deleteVirtualMFADevice(ctx context.Context, in *api.DeleteVirtualMFADeviceRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.change(ctx, a, func(tx store.Tx) error {
		d, err := loadDevice(ctx, tx, a, *in.SerialNumber)
		if err != nil {
			return err
		}
		if d.Owner != "" {
			return api.DeleteConflictException("MFA VirtualDevice in use. Must deactivate first.")
		}
		return devices.Delete(tx, scope(a), *in.SerialNumber)
	})
}

// holder is by what id credentials belong to a user; the account stands for root.
func holder(ctx context.Context, r store.Reader, account, userName string) (id string, err error) {
	if userName == "" {
		return account, nil
	}
	u, err := load(ctx, r, account, user, userName)
	if err != nil {
		return "", err
	}
	return u.ID, nil
}

// deviceHolder is whom EnableMFADevice gives a device to: the user it names, or root,
// who alone can give himself the device that has root's name.
func deviceHolder(ctx context.Context, r store.Reader, account, serial, userName string) (string, error) {
	if serial != rootSerial(account) {
		return holder(ctx, r, account, userName)
	}
	if aws.RequestOf(ctx).Caller.Kind != aws.Root {
		return "", aws.AccessDenied("Only the root user of the account can enable %s.", serial)
	}
	return account, nil
}

func (s *Service) enableMFADevice(ctx context.Context, in *api.EnableMFADeviceRequest) (*aws.Empty, error) {
	a := account(ctx)
	return nil, s.editDevice(ctx, *in.SerialNumber, func(tx store.Tx, d *device) error {
		owner, err := deviceHolder(ctx, tx, a, *in.SerialNumber, *in.UserName)
		if err != nil {
			return err
		}
		if d.Owner != "" {
			return api.EntityAlreadyExistsException("MFA Device is already in use.")
		}
		n := 0
		for _, err := range devicesOf.List(ctx, tx, scope(a), store.ListOptions{Prefix: []any{owner}}) {
			if err != nil {
				return err
			}
			n++
		}
		if n >= maxDevices {
			return api.LimitExceededException("Cannot exceed quota for MFADevicesPerUser: %d", maxDevices)
		}
		seed, err := s.seed(a, d)
		if err != nil {
			return err
		}
		// The second code may be the next to come, the first then being the present.
		at, ok := matchPair(seed, *in.AuthenticationCode1, *in.AuthenticationCode2, step(s.clock.Now()), d.Used, slack)
		if !ok {
			return badCode()
		}
		d.Owner, d.Enabled, d.Used, d.Drift = owner, s.now(), at, 0
		return devicesOf.Put(tx, scope(a), struct{}{}, owner, *in.SerialNumber)
	})
}

func badCode() error {
	return api.InvalidAuthenticationCodeException("Authentication code for device is not valid.")
}

// ownDevice refuses a device that is not the named user's.
func (s *Service) ownDevice(ctx context.Context, r store.Reader, userName *string, d *device) error {
	name, err := named(ctx, userName)
	if err != nil {
		return err
	}
	if d.Name == rootDevice && d.Owner == account(ctx) && aws.RequestOf(ctx).Caller.Kind == aws.Root {
		return nil
	}
	owner, err := holder(ctx, r, account(ctx), name)
	if err != nil {
		return err
	}
	if d.Owner != owner {
		return api.NoSuchEntityException("MFA Device invalid for user.")
	}
	return nil
}

func (s *Service) deactivateMFADevice(ctx context.Context, in *api.DeactivateMFADeviceRequest) (*aws.Empty, error) {
	return nil, s.editDevice(ctx, *in.SerialNumber, func(tx store.Tx, d *device) error {
		if err := s.ownDevice(ctx, tx, in.UserName, d); err != nil {
			return err
		}
		owner := d.Owner
		d.Owner, d.Enabled = "", time.Time{}
		return devicesOf.Delete(tx, scope(account(ctx)), owner, *in.SerialNumber)
	})
}

// resyncMFADevice learns from two codes in a row how far a device's clock is off.
func (s *Service) resyncMFADevice(ctx context.Context, in *api.ResyncMFADeviceRequest) (*aws.Empty, error) {
	return nil, s.editDevice(ctx, *in.SerialNumber, func(tx store.Tx, d *device) error {
		if err := s.ownDevice(ctx, tx, in.UserName, d); err != nil {
			return err
		}
		seed, err := s.seed(account(ctx), d)
		if err != nil {
			return err
		}
		now := step(s.clock.Now())
		at, ok := matchPair(seed, *in.AuthenticationCode1, *in.AuthenticationCode2, now, d.Used, maxDrift)
		if !ok {
			return badCode()
		}
		d.Used, d.Drift = at, at-now
		return nil
	})
}
