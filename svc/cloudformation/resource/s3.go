package resource

import (
	"slices"

	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/ordered"
)

var s3Types = []*Type{
	{
		Name:  "AWS::S3::Bucket",
		Named: "BucketName", Length: 63, Lower: true,
		Create: func(c *Call) error {
			in := &s3api.CreateBucketRequest{Bucket: new(c.Text("BucketName"))}
			if c.Stack.Region != "us-east-1" {
				in.CreateBucketConfiguration = &s3api.CreateBucketConfiguration{LocationConstraint: &c.Stack.Region}
			}
			if v := c.Text("ObjectLockEnabled"); v == "true" {
				in.ObjectLockEnabledForBucket = new(true)
			}
			// A bucket with lists of who may do what needs an owner who leaves that to them.
			if c.Has("AccessControl") {
				in.ACL, in.ObjectOwnership = acls[c.Text("AccessControl")], new("ObjectWriter")
			}
			if _, err := s3api.CreateBucket.Do(c, c.Peers, in); err != nil && (!c.Again || !Exists(err)) {
				return err
			}
			c.ID = *in.Bucket
			return setBucket(c)
		},
		Update: setBucket,
		Read: func(c *Call) (map[string]any, error) {
			_, err := s3api.HeadBucket.Do(c, c.Peers, &s3api.HeadBucketRequest{Bucket: &c.ID})
			region := c.Stack.Region
			return map[string]any{"BucketName": c.ID, "Arn": "arn:aws:s3:::" + c.ID, "DomainName": c.ID + ".s3.amazonaws.com",
				"RegionalDomainName": c.ID + ".s3." + region + ".amazonaws.com", "DualStackDomainName": c.ID + ".s3.dualstack." + region + ".amazonaws.com",
				"WebsiteURL": "http://" + c.ID + ".s3-website-" + region + ".amazonaws.com"}, err
		},
		Delete: func(c *Call) error {
			_, err := s3api.DeleteBucket.Do(c, c.Peers, &s3api.DeleteBucketRequest{Bucket: &c.ID})
			return err
		},
	},
	bucketPolicyType,
}

// acls are S3's words for the values of AccessControl.
var acls = map[string]*string{"Private": new("private"), "PublicRead": new("public-read"), "PublicReadWrite": new("public-read-write"),
	"AuthenticatedRead": new("authenticated-read"), "LogDeliveryWrite": new("log-delivery-write"), "BucketOwnerRead": new("bucket-owner-read"),
	"BucketOwnerFullControl": new("bucket-owner-full-control"), "AwsExecRead": new("aws-exec-read")}

// A bucketPart is a property of a bucket that operations of its own set and take away.
type bucketPart struct {
	property string
	put      func(c *Call, v any) error
	remove   func(c *Call) error // nil where it cannot be taken away
}

// bucketParts come in the order in which they are set.
var bucketParts = []bucketPart{
	{"OwnershipControls", func(c *Call, v any) error {
		in := &s3api.PutBucketOwnershipControlsRequest{Bucket: &c.ID, OwnershipControls: &s3api.OwnershipControls{}}
		return put(c, v, &in.OwnershipControls.Rules, "Rules", func() error { _, err := s3api.PutBucketOwnershipControls.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.DeleteBucketOwnershipControls.Do(c, c.Peers, &s3api.DeleteBucketOwnershipControlsRequest{Bucket: &c.ID})
		return err
	}},
	{"PublicAccessBlockConfiguration", func(c *Call, v any) error {
		in := &s3api.PutPublicAccessBlockRequest{Bucket: &c.ID, PublicAccessBlockConfiguration: &s3api.PublicAccessBlockConfiguration{}}
		return put(c, v, in.PublicAccessBlockConfiguration, "", func() error { _, err := s3api.PutPublicAccessBlock.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.DeletePublicAccessBlock.Do(c, c.Peers, &s3api.DeletePublicAccessBlockRequest{Bucket: &c.ID})
		return err
	}},
	{"VersioningConfiguration", func(c *Call, v any) error {
		in := &s3api.PutBucketVersioningRequest{Bucket: &c.ID, VersioningConfiguration: &s3api.VersioningConfiguration{}}
		return put(c, v, in.VersioningConfiguration, "", func() error { _, err := s3api.PutBucketVersioning.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.PutBucketVersioning.Do(c, c.Peers, &s3api.PutBucketVersioningRequest{Bucket: &c.ID, VersioningConfiguration: &s3api.VersioningConfiguration{Status: new("Suspended")}})
		return err
	}},
}

// put fills a configuration from a property, or from one member of it, and sends it.
func put(c *Call, v any, to any, only string, send func() error) error {
	if o, ok := v.(*ordered.Object); ok && only != "" {
		v = o.Get(only)
	}
	if err := FillFrom(to, v, only); err != nil {
		return err
	}
	return send()
}

// setBucket sets all that a bucket has beside its name.
func setBucket(c *Call) error {
	c.Take("BucketName")
	for _, p := range slices.Concat(bucketParts, moreBucketParts) {
		var err error
		switch {
		case c.Old != nil && !c.Changed(p.property):
		case c.Has(p.property):
			err = p.put(c, c.Get(p.property))
		case c.Old != nil && p.remove != nil:
			err = p.remove(c)
		}
		if err != nil {
			return err
		}
	}
	if c.Old != nil && c.Changed("AccessControl") {
		acl := acls[c.Text("AccessControl")]
		if acl == nil {
			acl = acls["Private"]
		}
		if _, err := s3api.PutBucketAcl.Do(c, c.Peers, &s3api.PutBucketAclRequest{Bucket: &c.ID, ACL: acl}); err != nil {
			return err
		}
	}
	c.Take("Tags")
	if tags := c.Tags(); len(tags) > 0 {
		in := &s3api.PutBucketTaggingRequest{Bucket: &c.ID, Tagging: &s3api.Tagging{}}
		SetTags(&in.Tagging.TagSet, tags)
		_, err := s3api.PutBucketTagging.Do(c, c.Peers, in)
		return err
	}
	if c.Old != nil && len(c.oldTags()) > 0 {
		_, err := s3api.DeleteBucketTagging.Do(c, c.Peers, &s3api.DeleteBucketTaggingRequest{Bucket: &c.ID})
		return err
	}
	return nil
}
