package resource

import (
	iamapi "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// iamUserTypes are users, their groups and their keys.
var iamUserTypes = []*Type{
	{
		Name:  "AWS::IAM::User",
		Named: "UserName", Length: 64,
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.CreateUser)
			if err := c.tried(err); err != nil {
				return err
			}
			if c.ID = c.Text("UserName"); err == nil {
				c.Set("Arn", *out.User.Arn)
			}
			c.Take("Path", "PermissionsBoundary", "Tags")
			return setUser(c)
		},
		Update: func(c *Call) error {
			if c.Changed("Path") {
				path := c.Text("Path")
				if path == "" {
					path = "/"
				}
				if _, err := iamapi.UpdateUser.Do(c, c.Peers, &iamapi.UpdateUserRequest{UserName: &c.ID, NewPath: &path}); err != nil {
					return err
				}
				out, err := iamapi.GetUser.Do(c, c.Peers, &iamapi.GetUserRequest{UserName: &c.ID})
				if err != nil {
					return err
				}
				c.Set("Arn", *out.User.Arn)
			}
			if c.Changed("PermissionsBoundary") {
				var err error
				if c.Has("PermissionsBoundary") {
					_, err = iamapi.PutUserPermissionsBoundary.Do(c, c.Peers, &iamapi.PutUserPermissionsBoundaryRequest{UserName: &c.ID, PermissionsBoundary: new(c.Text("PermissionsBoundary"))})
				} else if _, err = iamapi.DeleteUserPermissionsBoundary.Do(c, c.Peers, &iamapi.DeleteUserPermissionsBoundaryRequest{UserName: &c.ID}); Gone(err) {
					err = nil
				}
				if err != nil {
					return err
				}
			}
			if err := setUser(c); err != nil {
				return err
			}
			return Retag(c, &iamapi.TagUser, &iamapi.UntagUser, func(in *iamapi.TagUserRequest) { in.UserName = &c.ID }, func(in *iamapi.UntagUserRequest) { in.UserName = &c.ID })
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetUser.Do(c, c.Peers, &iamapi.GetUserRequest{UserName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.User, "Arn", "Path", "UserName"), nil
		},
		Delete: func(c *Call) error {
			if err := dropPolicies(c, userHolder); err != nil {
				return err
			}
			for _, g := range texts(c.Properties.Get("Groups")) {
				if _, err := iamapi.RemoveUserFromGroup.Do(c, c.Peers, &iamapi.RemoveUserFromGroupRequest{UserName: &c.ID, GroupName: &g}); err != nil && !Gone(err) {
					return err
				}
			}
			if c.Has("LoginProfile") {
				if _, err := iamapi.DeleteLoginProfile.Do(c, c.Peers, &iamapi.DeleteLoginProfileRequest{UserName: &c.ID}); err != nil && !Gone(err) {
					return err
				}
			}
			_, err := iamapi.DeleteUser.Do(c, c.Peers, &iamapi.DeleteUserRequest{UserName: &c.ID})
			return err
		},
	},
	{
		Name:  "AWS::IAM::Group",
		Named: "GroupName", Length: 128,
		Create: func(c *Call) error {
			out, err := Do(c, &iamapi.CreateGroup)
			if err := c.tried(err); err != nil {
				return err
			}
			if c.ID = c.Text("GroupName"); err == nil {
				c.Set("Arn", *out.Group.Arn)
			}
			c.Take("Path")
			return setPolicies(c, groupHolder)
		},
		Update: func(c *Call) error {
			if c.Changed("Path") {
				path := c.Text("Path")
				if path == "" {
					path = "/"
				}
				if _, err := iamapi.UpdateGroup.Do(c, c.Peers, &iamapi.UpdateGroupRequest{GroupName: &c.ID, NewPath: &path}); err != nil {
					return err
				}
				out, err := iamapi.GetGroup.Do(c, c.Peers, &iamapi.GetGroupRequest{GroupName: &c.ID})
				if err != nil {
					return err
				}
				c.Set("Arn", *out.Group.Arn)
			}
			return setPolicies(c, groupHolder)
		},
		Read: func(c *Call) (map[string]any, error) {
			out, err := iamapi.GetGroup.Do(c, c.Peers, &iamapi.GetGroupRequest{GroupName: &c.ID})
			if err != nil {
				return nil, err
			}
			return Show(out.Group, "Arn", "GroupName", "Path"), nil
		},
		Delete: func(c *Call) error {
			if err := dropPolicies(c, groupHolder); err != nil {
				return err
			}
			_, err := iamapi.DeleteGroup.Do(c, c.Peers, &iamapi.DeleteGroupRequest{GroupName: &c.ID})
			return err
		},
	},
	{
		Name:   "AWS::IAM::UserToGroupAddition",
		Create: func(c *Call) error { c.ID = c.steady(64); c.Set("Id", c.ID); return addUsers(c) },
		Update: addUsers,
		Delete: func(c *Call) error { return removeUsers(c, c.Text("GroupName"), texts(c.Get("Users"))) },
	},
	{
		// The secret of a key that an interrupted creation made was told to nobody: such a key
		// stays with its user, and the next try makes another.
		Name: "AWS::IAM::AccessKey",
		Create: func(c *Call) error {
			c.Take("Serial")
			out, err := Do(c, &iamapi.CreateAccessKey)
			if err != nil {
				return err
			}
			c.ID = *out.AccessKey.AccessKeyId
			c.Set("Id", c.ID)
			c.Set("SecretAccessKey", *out.AccessKey.SecretAccessKey)
			if c.Text("Status") == "Inactive" {
				return setKey(c)
			}
			return nil
		},
		Update: setKey,
		Read: func(c *Call) (map[string]any, error) {
			in := &iamapi.ListAccessKeysRequest{UserName: new(c.Text("UserName")), MaxItems: new(int32(1000))}
			out, err := iamapi.ListAccessKeys.Do(c, c.Peers, in)
			if err != nil {
				return nil, err
			}
			for _, k := range out.AccessKeyMetadata {
				if *k.AccessKeyId == c.ID {
					return map[string]any{"Id": c.ID, "UserName": *in.UserName, "Status": *k.Status}, nil
				}
			}
			return nil, iamapi.NoSuchEntityException("The Access Key with id %s cannot be found.", c.ID)
		},
		Delete: func(c *Call) error {
			_, err := iamapi.DeleteAccessKey.Do(c, c.Peers, &iamapi.DeleteAccessKeyRequest{UserName: new(c.Text("UserName")), AccessKeyId: &c.ID})
			return err
		},
	},
}

// tried is an error of a creation by name that stands: that there is one already is none
// once it was tried before.
func (c *Call) tried(err error) error {
	if c.Again && Exists(err) {
		return nil
	}
	return err
}

// setPolicies gives a user or a group the policies of its properties, and takes those
// that it had.
func setPolicies(c *Call, h holder) error {
	inline, attached := objects(c.Get("Policies")), texts(c.Get("ManagedPolicyArns"))
	for _, p := range inline {
		if err := h.put(c, c.ID, member(p, "PolicyName"), Texted(p.Get("PolicyDocument"))); err != nil {
			return err
		}
	}
	for _, arn := range attached {
		if err := h.attach(c, c.ID, arn); err != nil {
			return err
		}
	}
	if c.Old == nil {
		return nil
	}
	for _, p := range objects(c.Old.Get("Policies")) {
		if name := member(p, "PolicyName"); !hasMember(inline, "PolicyName", name) {
			if err := h.remove(c, c.ID, name); err != nil && !Gone(err) {
				return err
			}
		}
	}
	for _, arn := range without(texts(c.Old.Get("ManagedPolicyArns")), attached) {
		if err := h.detach(c, c.ID, arn); err != nil && !Gone(err) {
			return err
		}
	}
	return nil
}

// dropPolicies takes from a user or a group the policies of its properties.
func dropPolicies(c *Call, h holder) error {
	for _, p := range objects(c.Properties.Get("Policies")) {
		if err := h.remove(c, c.ID, member(p, "PolicyName")); err != nil && !Gone(err) {
			return err
		}
	}
	for _, arn := range texts(c.Properties.Get("ManagedPolicyArns")) {
		if err := h.detach(c, c.ID, arn); err != nil && !Gone(err) {
			return err
		}
	}
	return nil
}

// setUser sets a user's policies, groups and password.
func setUser(c *Call) error {
	if err := setPolicies(c, userHolder); err != nil {
		return err
	}
	now := texts(c.Get("Groups"))
	for _, g := range now {
		if _, err := iamapi.AddUserToGroup.Do(c, c.Peers, &iamapi.AddUserToGroupRequest{UserName: &c.ID, GroupName: &g}); err != nil {
			return err
		}
	}
	if c.Old != nil {
		for _, g := range without(texts(c.Old.Get("Groups")), now) {
			if _, err := iamapi.RemoveUserFromGroup.Do(c, c.Peers, &iamapi.RemoveUserFromGroupRequest{UserName: &c.ID, GroupName: &g}); err != nil && !Gone(err) {
				return err
			}
		}
	}
	if c.Old != nil && !c.Changed("LoginProfile") {
		return nil
	}
	profile, _ := c.Get("LoginProfile").(*ordered.Object)
	if profile == nil {
		if c.Old == nil {
			return nil
		}
		_, err := iamapi.DeleteLoginProfile.Do(c, c.Peers, &iamapi.DeleteLoginProfileRequest{UserName: &c.ID})
		if Gone(err) {
			err = nil
		}
		return err
	}
	reset := template.Text(profile.Get("PasswordResetRequired")) == "true"
	_, err := iamapi.CreateLoginProfile.Do(c, c.Peers, &iamapi.CreateLoginProfileRequest{UserName: &c.ID, Password: new(member(profile, "Password")), PasswordResetRequired: &reset})
	if Exists(err) {
		_, err = iamapi.UpdateLoginProfile.Do(c, c.Peers, &iamapi.UpdateLoginProfileRequest{UserName: &c.ID, Password: new(member(profile, "Password")), PasswordResetRequired: &reset})
	}
	return err
}

// addUsers puts users into a group, and takes those out that it was not to have any more.
func addUsers(c *Call) error {
	group, now := c.Text("GroupName"), texts(c.Get("Users"))
	for _, u := range now {
		if _, err := iamapi.AddUserToGroup.Do(c, c.Peers, &iamapi.AddUserToGroupRequest{UserName: &u, GroupName: &group}); err != nil {
			return err
		}
	}
	if c.Old == nil {
		return nil
	}
	was, old := template.Text(c.Old.Get("GroupName")), texts(c.Old.Get("Users"))
	if was == group {
		old = without(old, now)
	}
	return removeUsers(c, was, old)
}

func removeUsers(c *Call, group string, users []string) error {
	for _, u := range users {
		if _, err := iamapi.RemoveUserFromGroup.Do(c, c.Peers, &iamapi.RemoveUserFromGroupRequest{UserName: &u, GroupName: &group}); err != nil && !Gone(err) {
			return err
		}
	}
	return nil
}

func setKey(c *Call) error {
	status := c.Text("Status")
	if status == "" {
		status = "Active"
	}
	_, err := iamapi.UpdateAccessKey.Do(c, c.Peers, &iamapi.UpdateAccessKeyRequest{UserName: new(c.Text("UserName")), AccessKeyId: &c.ID, Status: &status})
	return err
}
