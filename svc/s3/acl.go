package s3

import (
	"context"
	"encoding/json"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An ACL says which accounts and groups may do what with a bucket or an object. A bucket
// without one has the default: its owner may do all. ACLs count only where the bucket's
// object ownership lets them.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
//
// What differs from AWS on purpose: what the bucket's owner may do with objects in it
// that others own, his account's policies say.

// The kinds of settings here.
const (
	aclSetting       = "acl"       // []grant
	ownershipSetting = "ownership" // api.OwnershipControls
	blockSetting     = "block"     // api.PublicAccessBlockConfiguration
)

// A grant lets a canonical user, or a group, do something.
type grant struct {
	ID         string `json:",omitempty"`
	Group      string `json:",omitempty"` // URI
	Permission string
}

// The groups.
const (
	allUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	authenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	logDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
	// execUser is whom aws-exec-read lets read: EC2, for its bundles.
	execUser = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"
)

func (g grant) public() bool { return g.Group == allUsers || g.Group == authenticatedUsers }

func public(grants []grant) bool {
	for _, g := range grants {
		if g.public() {
			return true
		}
	}
	return false
}

// canned are the grants of a canned ACL, beside the owner's.
func canned(name string, b *bucket, owner string) ([]grant, error) {
	full := grant{ID: canonicalID(owner), Permission: api.PermissionFullControl}
	group := func(uri string, permissions ...string) []grant {
		out := []grant{full}
		for _, p := range permissions {
			out = append(out, grant{Group: uri, Permission: p})
		}
		return out
	}
	switch name {
	case "", "private":
		return []grant{full}, nil
	case "public-read":
		return group(allUsers, api.PermissionRead), nil
	case "public-read-write":
		return group(allUsers, api.PermissionRead, api.PermissionWrite), nil
	case "authenticated-read":
		return group(authenticatedUsers, api.PermissionRead), nil
	case "log-delivery-write":
		return group(logDelivery, api.PermissionWrite, api.PermissionReadAcp), nil
	case "aws-exec-read":
		return []grant{full, {ID: execUser, Permission: api.PermissionRead}}, nil
	case "bucket-owner-read", "bucket-owner-full-control":
		if owner == b.Account {
			return []grant{full}, nil
		}
		p := api.PermissionRead
		if name == "bucket-owner-full-control" {
			p = api.PermissionFullControl
		}
		return []grant{full, {ID: canonicalID(b.Account), Permission: p}}, nil
	}
	return nil, errArgument("", "x-amz-acl", name)
}

// grantHeaders are what a request's headers grant.
type grantHeaders struct{ fullControl, read, readACP, write, writeACP *string }

func (h grantHeaders) empty() bool {
	return h.fullControl == nil && h.read == nil && h.readACP == nil && h.write == nil && h.writeACP == nil
}

// grants reads the headers: id="…", uri="…", emailAddress="…", separated by commas.
func (h grantHeaders) grants() (out []grant, err error) {
	for _, line := range []struct {
		value      *string
		permission string
	}{{h.fullControl, api.PermissionFullControl}, {h.read, api.PermissionRead}, {h.readACP, api.PermissionReadAcp},
		{h.write, api.PermissionWrite}, {h.writeACP, api.PermissionWriteAcp}} {
		if line.value == nil {
			continue
		}
		for one := range strings.SplitSeq(*line.value, ",") {
			g, err := headerGrant(strings.TrimSpace(one))
			if err != nil {
				return nil, err
			}
			g.Permission = line.permission
			out = append(out, g)
		}
	}
	return out, nil
}

func headerGrant(s string) (grant, error) {
	kind, value, ok := strings.Cut(s, "=")
	value = strings.Trim(strings.TrimSpace(value), `"`)
	if !ok {
		return grant{}, errArgument("Argument format not recognized", "x-amz-grant", s)
	}
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "id":
		return userGrant(value)
	case "uri":
		return groupGrant(value)
	case "emailaddress":
		return grant{}, errNoEmail(value)
	}
	return grant{}, errArgument("Argument format not recognized", "x-amz-grant", s)
}

func userGrant(id string) (grant, error) {
	if len(id) != 64 || strings.Trim(id, "0123456789abcdef") != "" {
		return grant{}, errArgument("Invalid id", "CanonicalUser/ID", id)
	}
	return grant{ID: id}, nil
}

func groupGrant(uri string) (grant, error) {
	// The CLI's documentation and older clients write https as well.
	known := strings.Replace(uri, "https://", "http://", 1)
	switch known {
	case allUsers, authenticatedUsers, logDelivery:
		return grant{Group: known}, nil
	}
	return grant{}, errArgument("Invalid group uri", "uri", uri)
}

func errNoEmail(address string) error {
	return aws.Errorf(400, "UnresolvableGrantByEmailAddress", "The e-mail address you provided does not match any account on record.").
		With(&struct{ EmailAddress string }{address})
}

func errMalformedACL() error {
	return aws.Errorf(400, "MalformedACLError", "The XML you provided was not well-formed or did not validate against our published schema")
}

// bodyGrants reads an ACL that came as a body. Its owner cannot change.
func bodyGrants(p *api.AccessControlPolicy, owner string) ([]grant, error) {
	if p.Owner == nil || p.Owner.ID == nil || len(p.Grants) > 100 {
		return nil, errMalformedACL()
	}
	if *p.Owner.ID != canonicalID(owner) {
		return nil, errArgument("Invalid id", "CanonicalUser/ID", *p.Owner.ID)
	}
	out := []grant{}
	for _, g := range p.Grants {
		if g.Grantee == nil || g.Permission == nil {
			return nil, errMalformedACL()
		}
		var one grant
		var err error
		switch aws.Value(g.Grantee.Type) {
		case api.TypeCanonicalUser:
			one, err = userGrant(aws.Value(g.Grantee.ID))
		case api.TypeGroup:
			one, err = groupGrant(aws.Value(g.Grantee.URI))
		default:
			err = errNoEmail(aws.Value(g.Grantee.EmailAddress))
		}
		if err != nil {
			return nil, err
		}
		one.Permission = *g.Permission
		out = append(out, one)
	}
	return out, nil
}

// A wish is what a request says of an ACL, in one of three ways.
type wish struct {
	canned  *string
	headers grantHeaders
	body    *api.AccessControlPolicy
}

// grants are those of the ACL wished for; nil if none is.
func (w wish) grants(b *bucket, owner string) ([]grant, error) {
	switch {
	case w.canned != nil && !w.headers.empty():
		return nil, errRequest("Specifying both Canned ACLs and Header Grants is not allowed")
	case w.body != nil && (w.canned != nil || !w.headers.empty()):
		return nil, aws.Errorf(400, "UnexpectedContent", "This request does not support content")
	case w.canned != nil:
		return canned(*w.canned, b, owner)
	case !w.headers.empty():
		return w.headers.grants()
	case w.body != nil:
		return bodyGrants(w.body, owner)
	}
	return nil, nil
}

// ownership is the bucket's object ownership.
func ownership(ctx context.Context, r store.Reader, b *bucket) (string, error) {
	c, err := setting[api.OwnershipControls](ctx, r, b, ownershipSetting)
	if err != nil || c == nil || len(c.Rules) == 0 {
		return api.ObjectOwnershipObjectWriter, err
	}
	return *c.Rules[0].ObjectOwnership, nil
}

func errNoACLs() error {
	return aws.Errorf(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

// checkACL refuses an ACL that is to come where none may, or no public one.
func checkACL(ctx context.Context, r store.Reader, b *bucket, w wish, wanted []grant) error {
	own, err := ownership(ctx, r, b)
	if err != nil {
		return err
	}
	if own == api.ObjectOwnershipBucketOwnerEnforced && !fullControlOf(wanted, b) && aws.Value(w.canned) != "bucket-owner-full-control" {
		return errNoACLs()
	}
	block, err := blockOf(ctx, r, b)
	if err == nil && aws.Value(block.BlockPublicAcls) && public(wanted) {
		err = errDenied()
	}
	return err
}

// fullControlOf reports whether all that is granted is full control, to the bucket's
// owner.
func fullControlOf(grants []grant, b *bucket) bool {
	for _, g := range grants {
		if g.ID != canonicalID(b.Account) || g.Permission != api.PermissionFullControl {
			return false
		}
	}
	return len(grants) > 0
}

// grants are what a request says of who may do what with its object.
type grants struct {
	ACL                                                      *string
	GrantFullControl, GrantRead, GrantReadACP, GrantWriteACP *string
}

func (g grants) wish() wish {
	return wish{canned: g.ACL, headers: grantHeaders{fullControl: g.GrantFullControl, read: g.GrantRead, readACP: g.GrantReadACP, writeACP: g.GrantWriteACP}}
}

// objectOwner is the account that owns an object which the caller of ctx writes.
func (s *Service) objectOwner(ctx context.Context, r store.Reader, b *bucket, g grants) (string, error) {
	caller := aws.RequestOf(ctx).Caller
	if caller.Account == b.Account || caller.Kind == aws.ServiceSelf || caller.Kind == aws.Anonymous {
		return b.Account, nil
	}
	own, err := ownership(ctx, r, b)
	if own == api.ObjectOwnershipObjectWriter || own == api.ObjectOwnershipBucketOwnerPreferred && aws.Value(g.ACL) != "bucket-owner-full-control" {
		return caller.Account, err
	}
	return b.Account, err
}

// objectACL is the ACL that a new object gets, for its record; nil for the default one.
func (s *Service) objectACL(ctx context.Context, r store.Reader, b *bucket, g grants) ([]byte, error) {
	w := g.wish()
	if w.canned == nil && w.headers.empty() {
		return nil, nil
	}
	owner, err := s.objectOwner(ctx, r, b, g)
	if err != nil {
		return nil, err
	}
	list, err := w.grants(b, owner)
	if err != nil {
		return nil, err
	}
	if err := checkACL(ctx, r, b, w, list); err != nil {
		return nil, err
	}
	if len(list) == 1 && list[0].ID == canonicalID(owner) && list[0].Permission == api.PermissionFullControl {
		return nil, nil
	}
	return json.Marshal(list)
}
