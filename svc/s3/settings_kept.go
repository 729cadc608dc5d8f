package s3

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Settings that are kept and told, and that do nothing here: what they are for has no
// place on one machine. Tags are read elsewhere.
const (
	accelerateSetting  = "accelerate"  // api.AccelerateConfiguration
	abacSetting        = "abac"        // api.AbacStatus
	loggingSetting     = "logging"     // api.BucketLoggingStatus
	paymentSetting     = "payment"     // api.RequestPaymentConfiguration
	replicationSetting = "replication" // api.ReplicationConfiguration
	taggingSetting     = "tagging"     // api.Tagging
)

// keptRoutes are the operations on settings of which a bucket has one.
func (s *Service) keptRoutes() []aws.Route {
	accelerate := kind[api.AccelerateConfiguration]{s, accelerateSetting, nil}
	abac := kind[api.AbacStatus]{s, abacSetting, nil}
	logging := kind[api.BucketLoggingStatus]{s, loggingSetting, nil}
	payment := kind[api.RequestPaymentConfiguration]{s, paymentSetting, nil}
	return []aws.Route{
		read(&api.GetBucketAccelerateConfiguration, accelerate, "s3:GetAccelerateConfiguration",
			func(in *api.GetBucketAccelerateConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.AccelerateConfiguration) *api.GetBucketAccelerateConfigurationOutput {
				return &api.GetBucketAccelerateConfigurationOutput{Status: c.Status}
			}),
		write(&api.PutBucketAccelerateConfiguration, accelerate, "s3:PutAccelerateConfiguration",
			func(in *api.PutBucketAccelerateConfigurationRequest) (bucket, owner *string, c *api.AccelerateConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.AccelerateConfiguration
			}, checkAccelerate),
		read(&api.GetBucketAbac, abac, "s3:GetBucketAbac",
			func(in *api.GetBucketAbacRequest) (bucket, owner *string) { return in.Bucket, in.ExpectedBucketOwner },
			func(c *api.AbacStatus) *api.GetBucketAbacOutput {
				return &api.GetBucketAbacOutput{AbacStatus: abacStatus(c)}
			}),
		write(&api.PutBucketAbac, abac, "s3:PutBucketAbac",
			func(in *api.PutBucketAbacRequest) (bucket, owner *string, c *api.AbacStatus) {
				return in.Bucket, in.ExpectedBucketOwner, in.AbacStatus
			}, nil),
		read(&api.GetBucketLogging, logging, "s3:GetBucketLogging",
			func(in *api.GetBucketLoggingRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.BucketLoggingStatus) *api.GetBucketLoggingOutput {
				return &api.GetBucketLoggingOutput{LoggingEnabled: c.LoggingEnabled}
			}),
		write(&api.PutBucketLogging, logging, "s3:PutBucketLogging",
			func(in *api.PutBucketLoggingRequest) (bucket, owner *string, c *api.BucketLoggingStatus) {
				return in.Bucket, in.ExpectedBucketOwner, in.BucketLoggingStatus
			}, checkLogging),
		read(&api.GetBucketRequestPayment, payment, "s3:GetBucketRequestPayment",
			func(in *api.GetBucketRequestPaymentRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.RequestPaymentConfiguration) *api.GetBucketRequestPaymentOutput {
				return &api.GetBucketRequestPaymentOutput{Payer: payer(c)}
			}),
		write(&api.PutBucketRequestPayment, payment, "s3:PutBucketRequestPayment",
			func(in *api.PutBucketRequestPaymentRequest) (bucket, owner *string, c *api.RequestPaymentConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.RequestPaymentConfiguration
			}, nil),
	}
}

// droppedRoutes are those of settings that can be taken away again.
func (s *Service) droppedRoutes() []aws.Route {
	replication := kind[api.ReplicationConfiguration]{s, replicationSetting, func(b *bucket) error {
		return notThere(b, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")
	}}
	tagging := kind[api.Tagging]{s, taggingSetting, func(b *bucket) error {
		return notThere(b, "NoSuchTagSet", "The TagSet does not exist")
	}}
	return []aws.Route{
		drop(&api.DeleteBucketReplication, replication, "s3:PutReplicationConfiguration", func(in *api.DeleteBucketReplicationRequest) (bucket, owner *string) {
			return in.Bucket, in.ExpectedBucketOwner
		}),
		read(&api.GetBucketReplication, replication, "s3:GetReplicationConfiguration",
			func(in *api.GetBucketReplicationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.ReplicationConfiguration) *api.GetBucketReplicationOutput {
				return &api.GetBucketReplicationOutput{ReplicationConfiguration: c}
			}),
		writeGuarded(&api.PutBucketReplication, replication, s.guardReplication,
			func(in *api.PutBucketReplicationRequest) (bucket, owner *string, c *api.ReplicationConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.ReplicationConfiguration
			}, checkReplication),
		drop(&api.DeleteBucketTagging, tagging, "s3:PutBucketTagging", func(in *api.DeleteBucketTaggingRequest) (bucket, owner *string) {
			return in.Bucket, in.ExpectedBucketOwner
		}),
		read(&api.GetBucketTagging, tagging, "s3:GetBucketTagging",
			func(in *api.GetBucketTaggingRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(c *api.Tagging) *api.GetBucketTaggingOutput { return &api.GetBucketTaggingOutput{TagSet: c.TagSet} }),
		write(&api.PutBucketTagging, tagging, "s3:PutBucketTagging",
			func(in *api.PutBucketTaggingRequest) (bucket, owner *string, c *api.Tagging) {
				return in.Bucket, in.ExpectedBucketOwner, in.Tagging
			}, checkTagging),
	}
}

func checkAccelerate(_ context.Context, _ store.Tx, b *bucket, c *api.AccelerateConfiguration) error {
	if c.Status == nil {
		return errMalformed()
	}
	if strings.Contains(b.Name, ".") {
		return errRequest("S3 Transfer Acceleration is not supported for buckets with periods (.) in their names")
	}
	return nil
}

func abacStatus(c *api.AbacStatus) *api.AbacStatus {
	if c.Status == nil {
		off := "Disabled"
		c.Status = &off
	}
	return c
}

func payer(c *api.RequestPaymentConfiguration) *string {
	if c.Payer == nil {
		owner := "BucketOwner"
		return &owner
	}
	return c.Payer
}

// checkLogging asks for a target bucket that is there, of the same owner and region.
func checkLogging(ctx context.Context, tx store.Tx, b *bucket, c *api.BucketLoggingStatus) error {
	if c.LoggingEnabled == nil {
		return nil
	}
	target, err := bucketNamed(ctx, tx, *c.LoggingEnabled.TargetBucket)
	switch {
	case aws.CodeOf(err) == "NoSuchBucket":
		return aws.Errorf(400, "InvalidTargetBucketForLogging", "The target bucket for logging does not exist").
			With(&struct{ TargetBucket string }{*c.LoggingEnabled.TargetBucket})
	case err != nil:
		return err
	case target.Account != b.Account:
		return aws.Errorf(403, "InvalidTargetBucketForLogging", "The owner for the bucket to be logged and the target bucket must be the same.").
			With(&struct{ TargetBucket string }{target.Name})
	case target.Region != b.Region:
		return aws.Errorf(403, "CrossLocationLoggingProhibitted", "Cross S3 location logging not allowed. ").
			With(&struct{ SourceBucketLocation, TargetBucketLocation string }{b.Region, target.Region})
	}
	return nil
}

// checkReplication asks for versions here and there, as AWS does.
func checkReplication(ctx context.Context, tx store.Tx, b *bucket, c *api.ReplicationConfiguration) error {
	if b.Versioning != api.BucketVersioningStatusEnabled {
		return errRequest("Versioning must be 'Enabled' on the bucket to apply a replication configuration")
	}
	if err := checkReplicationRole(c); err != nil {
		return err
	}
	if len(c.Rules) == 0 || len(c.Rules) > 1000 {
		return errMalformed()
	}
	ids := map[string]bool{}
	for i := range c.Rules {
		rule := &c.Rules[i]
		name, ok := strings.CutPrefix(*rule.Destination.Bucket, "arn:aws:s3:::")
		if !ok {
			return errArgument("Invalid bucket ARN", "Bucket", *rule.Destination.Bucket)
		}
		to, err := bucketNamed(ctx, tx, name)
		if aws.CodeOf(err) == "NoSuchBucket" {
			return errRequest("Destination bucket must exist.")
		}
		if err != nil {
			return err
		}
		if to.Versioning != api.BucketVersioningStatusEnabled {
			return errRequest("Destination bucket must have versioning enabled.")
		}
		if rule.Filter != nil && (rule.Priority == nil || rule.DeleteMarkerReplication == nil) {
			return errMalformed()
		}
		if rule.ID == nil {
			id := newSubscriptionID(ctx, i)
			rule.ID = &id
		}
		if ids[*rule.ID] {
			return errArgument("Rule Id must be unique", "ID", *rule.ID)
		}
		ids[*rule.ID] = true
	}
	return nil
}

func checkReplicationRole(c *api.ReplicationConfiguration) error {
	role, ok := aws.ParseARN(*c.Role)
	if !ok || role.Service != "iam" || !strings.HasPrefix(role.Resource, "role/") {
		return errArgument("Invalid Role specified in replication configuration", "Role", *c.Role)
	}
	return nil
}

func checkTagging(_ context.Context, _ store.Tx, _ *bucket, c *api.Tagging) error {
	return checkBucketTags(c.TagSet)
}

// checkBucketTags holds the tags of a bucket against AWS's bounds.
func checkBucketTags(tags []api.Tag) error {
	if len(tags) > 50 {
		return aws.Errorf(400, "BadRequest", "Bucket tag count cannot be greater than 50")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case len([]rune(*t.Key)) > 128:
			return invalidTag("The TagKey you have provided is too long", *t.Key)
		case len([]rune(*t.Value)) > 256:
			return invalidTag("The TagValue you have provided is too long", *t.Key)
		case strings.HasPrefix(strings.ToLower(*t.Key), "aws:"):
			return invalidTag("System tags cannot be added/updated by requester", *t.Key)
		case seen[*t.Key]:
			return invalidTag("Cannot provide multiple Tags with the same key", *t.Key)
		}
		seen[*t.Key] = true
	}
	return nil
}

func invalidTag(message, key string) error {
	return aws.Errorf(400, "InvalidTag", "%s", message).With(&struct{ TagKey string }{key})
}
