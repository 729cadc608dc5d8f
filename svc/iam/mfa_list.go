package iam

import (
	"context"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func (s *Service) mfaRoutes() []aws.Route {
	return []aws.Route{
		api.CreateVirtualMFADevice.To(s.createVirtualMFADevice, s.guardCreateDevice),
		api.DeleteVirtualMFADevice.To(s.deleteVirtualMFADevice, onDevice(s, func(in *api.DeleteVirtualMFADeviceRequest) *string { return in.SerialNumber }, nil)),
		api.ListVirtualMFADevices.To(s.listVirtualMFADevices, aws.Anywhere),
		api.EnableMFADevice.To(s.enableMFADevice, on(s, user, func(in *api.EnableMFADeviceRequest) *string { return in.UserName })),
		api.DeactivateMFADevice.To(s.deactivateMFADevice, on(s, user, func(in *api.DeactivateMFADeviceRequest) *string { return in.UserName })),
		api.ResyncMFADevice.To(s.resyncMFADevice, on(s, user, func(in *api.ResyncMFADeviceRequest) *string { return in.UserName })),
		api.ListMFADevices.To(s.listMFADevices, on(s, user, func(in *api.ListMFADevicesRequest) *string { return in.UserName })),
		api.GetMFADevice.To(s.getMFADevice, s.guardGetDevice),
		api.TagMFADevice.To(s.tagMFADevice, onDevice(s, func(in *api.TagMFADeviceRequest) *string { return in.SerialNumber },
			func(in *api.TagMFADeviceRequest) map[string][]string { return requestTags(nil, in.Tags) })),
		api.UntagMFADevice.To(s.untagMFADevice, onDevice(s, func(in *api.UntagMFADeviceRequest) *string { return in.SerialNumber },
			func(in *api.UntagMFADeviceRequest) map[string][]string {
				return map[string][]string{"aws:TagKeys": in.TagKeys}
			})),
		api.ListMFADeviceTags.To(s.listMFADeviceTags, onDevice(s, func(in *api.ListMFADeviceTagsRequest) *string { return in.SerialNumber }, nil)),
	}
}

// ownerOf is the user with a unique id. Root, whose id is the account's number, has
// no date of creation.
func ownerOf(ctx context.Context, r store.Reader, account, id string) (*api.User, error) {
	if id == account {
		arn := aws.NewARN("iam", "", account, "root").String()
		return &api.User{Arn: &arn, UserId: &account}, nil
	}
	p, err := find(ctx, r, account, id)
	if err != nil {
		return nil, err
	}
	u := p.user(account)
	u.Tags, u.PermissionsBoundary = nil, nil
	return u, nil
}

// rootName is what answers call root where they need the name of a user.
const rootName = "root"

func (s *Service) listMFADevices(ctx context.Context, in *api.ListMFADevicesRequest) (*api.ListMFADevicesResponse, error) {
	name, err := named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	a := account(ctx)
	var all []api.MFADevice
	err = s.store.View(ctx, func(r store.Reader) error {
		owner, err := holder(ctx, r, a, name)
		if err != nil {
			return err
		}
		shown := name
		if name == "" {
			shown = rootName
		}
		for e, err := range devicesOf.List(ctx, r, scope(a), store.ListOptions{Prefix: []any{owner}}) {
			if err != nil {
				return err
			}
			serial := e.Key.String(1)
			d, err := loadDevice(ctx, r, a, serial)
			if err != nil {
				return err
			}
			all = append(all, api.MFADevice{EnableDate: &d.Enabled, SerialNumber: &serial, UserName: &shown})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(d *api.MFADevice) string { return *d.SerialNumber })
	return &api.ListMFADevicesResponse{MFADevices: part, IsTruncated: more(next), Marker: next}, err
}

func (s *Service) listVirtualMFADevices(ctx context.Context, in *api.ListVirtualMFADevicesRequest) (*api.ListVirtualMFADevicesResponse, error) {
	a, status := account(ctx), aws.Value(in.AssignmentStatus)
	var all []api.VirtualMFADevice
	err := s.store.View(ctx, func(r store.Reader) error {
		for e, err := range devices.List(ctx, r, scope(a), store.ListOptions{}) {
			if err != nil {
				return err
			}
			d, serial := &e.Record, e.Key.String(0)
			if status == api.AssignmentStatusTypeAssigned && d.Owner == "" || status == api.AssignmentStatusTypeUnassigned && d.Owner != "" {
				continue
			}
			out := api.VirtualMFADevice{SerialNumber: &serial}
			if d.Owner != "" {
				out.EnableDate = &d.Enabled
				if out.User, err = ownerOf(ctx, r, a, d.Owner); err != nil {
					return err
				}
				if out.User.CreateDate == nil { // the model wants one
					out.User.CreateDate = &d.Created
				}
			}
			all = append(all, out)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(all, page{in.Marker, in.MaxItems}, func(d *api.VirtualMFADevice) string { return *d.SerialNumber })
	return &api.ListVirtualMFADevicesResponse{VirtualMFADevices: part, IsTruncated: more(next), Marker: next}, err
}

// guardGetDevice asks for the user who has the device, the caller if nobody has.
func (s *Service) guardGetDevice(ctx context.Context, in *api.GetMFADeviceRequest) ([]aws.Access, error) {
	if in.UserName != nil {
		return s.guard(ctx, user, in.UserName, nil)
	}
	var name *string
	err := s.store.View(ctx, func(r store.Reader) error {
		d, err := loadDevice(ctx, r, account(ctx), *in.SerialNumber)
		if err == nil && d.Owner != "" {
			var u *api.User
			if u, err = ownerOf(ctx, r, account(ctx), d.Owner); err == nil {
				name = u.UserName
			}
		}
		return err
	})
	if err != nil && aws.CodeOf(err) == "" {
		return nil, err
	}
	return s.guard(ctx, user, name, nil)
}

func (s *Service) getMFADevice(ctx context.Context, in *api.GetMFADeviceRequest) (*api.GetMFADeviceResponse, error) {
	a := account(ctx)
	out := &api.GetMFADeviceResponse{SerialNumber: in.SerialNumber}
	return out, s.store.View(ctx, func(r store.Reader) error {
		d, err := loadDevice(ctx, r, a, *in.SerialNumber)
		if err != nil {
			return err
		}
		if in.UserName != nil {
			if err := s.ownDevice(ctx, r, in.UserName, d); err != nil {
				return err
			}
		}
		if d.Owner == "" {
			return noDevice(*in.SerialNumber)
		}
		u, err := ownerOf(ctx, r, a, d.Owner)
		if err != nil {
			return err
		}
		out.EnableDate, out.UserName = &d.Enabled, u.UserName
		return nil
	})
}

func (s *Service) tagMFADevice(ctx context.Context, in *api.TagMFADeviceRequest) (*aws.Empty, error) {
	return nil, s.editDevice(ctx, *in.SerialNumber, func(_ store.Tx, d *device) error { return change(&d.Tags, in.Tags, nil) })
}

func (s *Service) untagMFADevice(ctx context.Context, in *api.UntagMFADeviceRequest) (*aws.Empty, error) {
	return nil, s.editDevice(ctx, *in.SerialNumber, func(_ store.Tx, d *device) error { return change(&d.Tags, nil, in.TagKeys) })
}

func (s *Service) listMFADeviceTags(ctx context.Context, in *api.ListMFADeviceTagsRequest) (*api.ListMFADeviceTagsResponse, error) {
	var tags []api.Tag
	err := s.store.View(ctx, func(r store.Reader) error {
		d, err := loadDevice(ctx, r, account(ctx), *in.SerialNumber)
		if err == nil {
			tags = apiTags(d.Tags)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	part, next, err := cut(tags, page{in.Marker, in.MaxItems}, func(t *api.Tag) string { return *t.Key })
	return &api.ListMFADeviceTagsResponse{Tags: part, IsTruncated: more(next), Marker: next}, err
}
