package iam

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/tule-cloud/tule/aws"
)

// Every role that a service may have is one: its name is of the form and length that
// names have, and no two are the same.
func TestLinkedServices(t *testing.T) {
	form := regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	seen := map[string]string{}
	for service := range linkedServices {
		p := linkedRole(service, "")
		if !form.MatchString(p.Name) || seen[p.Name] != "" {
			t.Errorf("%s: %s, as of %s", service, p.Name, seen[p.Name])
		}
		seen[p.Name] = service
		if err := checkTrust(p.Trust); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
}

// Whatever has the name of a role and could change what the role may do is refused
// for service-linked roles; new operations have to take sides here.
func TestEdited(t *testing.T) {
	reads := regexp.MustCompile(`^(Get|List|Tag|Untag|Create|DeleteServiceLinkedRole|UpdateRoleDescription)`)
	s, _, _ := house(t)
	for _, r := range s.Routes() {
		in := r.New()
		if !setRoleName(in) {
			continue
		}
		if refused := edited(in) != nil; refused == reads.MatchString(r.Op.Name) {
			t.Errorf("%s: refused is %v", r.Op.Name, refused)
		}
	}
	if err := s.protected(t.Context(), &aws.Empty{}); err != nil {
		t.Error(err)
	}
}

// setRoleName fills the members that edited looks at, if the input names a role.
func setRoleName(in any) bool {
	v := reflect.ValueOf(in).Elem()
	f := v.FieldByName("RoleName")
	if !f.IsValid() {
		return false
	}
	f.Set(reflect.ValueOf(ptr("r")))
	if f := v.FieldByName("MaxSessionDuration"); f.IsValid() {
		f.Set(reflect.ValueOf(ptr(int32(3600))))
	}
	return true
}
