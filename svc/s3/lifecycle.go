package s3

import (
	"context"
	"fmt"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const lifecycleSetting = "lifecycle" // lifecycle

// A lifecycle is what becomes of a bucket's objects in time.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
type lifecycle struct {
	Rules []api.LifecycleRule
	// Minimum is which objects are too small to move, by AWS's name for the rule.
	Minimum string
}

func (s *Service) lifecycleRoutes() []aws.Route {
	k := kind[lifecycle]{s, lifecycleSetting, func(b *bucket) error {
		return notThere(b, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	}}
	return []aws.Route{
		drop(&api.DeleteBucketLifecycle, k, "s3:PutLifecycleConfiguration",
			func(in *api.DeleteBucketLifecycleRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		read(&api.GetBucketLifecycleConfiguration, k, "s3:GetLifecycleConfiguration",
			func(in *api.GetBucketLifecycleConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			},
			func(l *lifecycle) *api.GetBucketLifecycleConfigurationOutput {
				return &api.GetBucketLifecycleConfigurationOutput{Rules: l.Rules, TransitionDefaultMinimumObjectSize: &l.Minimum}
			}),
		api.PutBucketLifecycleConfiguration.To(s.putLifecycle,
			onBucket(s, func(in *api.PutBucketLifecycleConfigurationRequest) *string { return in.Bucket }, "s3:PutLifecycleConfiguration")),
	}
}

func (s *Service) putLifecycle(ctx context.Context, in *api.PutBucketLifecycleConfigurationRequest) (*api.PutBucketLifecycleConfigurationOutput, error) {
	if in.LifecycleConfiguration == nil {
		return nil, errMalformed()
	}
	l := lifecycle{Rules: in.LifecycleConfiguration.Rules, Minimum: api.TransitionDefaultMinimumObjectSizeAllStorageClasses128k}
	if in.TransitionDefaultMinimumObjectSize != nil {
		l.Minimum = *in.TransitionDefaultMinimumObjectSize
	}
	if len(l.Rules) == 0 || len(l.Rules) > 1000 {
		return nil, errMalformed()
	}
	ids := map[string]bool{}
	for i := range l.Rules {
		rule := &l.Rules[i]
		if rule.ID == nil || *rule.ID == "" {
			id := newSubscriptionID(ctx, i)
			rule.ID = &id
		}
		if len(*rule.ID) > 255 {
			return nil, errArgument("ID length should not exceed allowed limit of 255", "ID", *rule.ID)
		}
		if ids[*rule.ID] {
			return nil, errArgument("Rule ID must be unique. Found same ID for more than one rule", "ID", *rule.ID)
		}
		ids[*rule.ID] = true
		if err := checkRule(rule); err != nil {
			return nil, err
		}
	}
	err := s.onBucketDo(ctx, in.Bucket, in.ExpectedBucketOwner, func(tx store.Tx, b *bucket) error {
		return putSetting(tx, b, lifecycleSetting, "", l)
	})
	return &api.PutBucketLifecycleConfigurationOutput{TransitionDefaultMinimumObjectSize: &l.Minimum}, err
}

// checkRule holds a rule against AWS's grammar.
func checkRule(rule *api.LifecycleRule) error {
	if (rule.Filter == nil) == (rule.Prefix == nil) {
		return errMalformed()
	}
	tagged, err := checkRuleFilter(rule.Filter)
	if err != nil {
		return err
	}
	e, n, a := rule.Expiration, rule.NoncurrentVersionExpiration, rule.AbortIncompleteMultipartUpload
	if e == nil && n == nil && a == nil && len(rule.Transitions) == 0 && len(rule.NoncurrentVersionTransitions) == 0 {
		return errRequest("At least one action needs to be specified in a rule")
	}
	if err := checkExpiry(e, tagged); err != nil {
		return err
	}
	if n != nil {
		if n.NoncurrentDays == nil || *n.NoncurrentDays < 1 {
			return errArgument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer", "NoncurrentDays", number(n.NoncurrentDays))
		}
		if n.NewerNoncurrentVersions != nil && (*n.NewerNoncurrentVersions < 1 || *n.NewerNoncurrentVersions > 100) {
			return errArgument("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer not greater than 100",
				"NewerNoncurrentVersions", number(n.NewerNoncurrentVersions))
		}
	}
	if a != nil {
		if tagged {
			return errRequest("AbortIncompleteMultipartUpload cannot be specified with Tags.")
		}
		if a.DaysAfterInitiation == nil || *a.DaysAfterInitiation < 1 {
			return errArgument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer", "DaysAfterInitiation", number(a.DaysAfterInitiation))
		}
	}
	return checkTransitions(rule)
}

func number(n *int32) string { return fmt.Sprint(aws.Value(n)) }

// checkRuleFilter tells, too, whether the filter asks for tags.
func checkRuleFilter(f *api.LifecycleRuleFilter) (tagged bool, err error) {
	if f == nil {
		return false, nil
	}
	parts := 0
	for _, there := range []bool{f.And != nil, f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil} {
		if there {
			parts++
		}
	}
	if parts > 1 {
		return false, errMalformed()
	}
	if f.And == nil {
		return f.Tag != nil, nil
	}
	parts = len(f.And.Tags)
	for _, there := range []bool{f.And.Prefix != nil, f.And.ObjectSizeGreaterThan != nil, f.And.ObjectSizeLessThan != nil} {
		if there {
			parts++
		}
	}
	if parts < 2 {
		return false, errMalformed()
	}
	if g, l := f.And.ObjectSizeGreaterThan, f.And.ObjectSizeLessThan; g != nil && l != nil && *g >= *l {
		return false, errRequest("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
	}
	seen := map[string]bool{}
	for _, t := range f.And.Tags {
		if seen[*t.Key] {
			return false, errRequest("Duplicate Tag Keys are not allowed.")
		}
		seen[*t.Key] = true
	}
	return len(f.And.Tags) > 0, nil
}

func checkExpiry(e *api.LifecycleExpiration, tagged bool) error {
	switch {
	case e == nil:
		return nil
	case e.Days == nil && e.Date == nil && e.ExpiredObjectDeleteMarker == nil,
		e.Days != nil && e.Date != nil, e.ExpiredObjectDeleteMarker != nil && (e.Days != nil || e.Date != nil):
		return errMalformed()
	case e.Days != nil && *e.Days < 1:
		return errArgument("'Days' for Expiration action must be a positive integer", "Days", number(e.Days))
	case e.Date != nil && !midnight(*e.Date):
		return errArgument("'Date' must be at midnight GMT", "Date", e.Date.UTC().Format(time.RFC3339))
	case aws.Value(e.ExpiredObjectDeleteMarker) && tagged:
		return errRequest("ExpiredObjectDeleteMarker cannot be specified with tags.")
	}
	return nil
}

func midnight(t time.Time) bool { return t.UTC().Truncate(24 * time.Hour).Equal(t) }

// leastDays are how long objects stay before they may move to a class.
var leastDays = map[string]int32{api.TransitionStorageClassStandardIa: 30, api.TransitionStorageClassOnezoneIa: 30}

func checkTransitions(rule *api.LifecycleRule) error {
	seen := map[string]bool{}
	for _, t := range rule.Transitions {
		switch {
		case t.StorageClass == nil, (t.Days == nil) == (t.Date == nil):
			return errMalformed()
		case seen[*t.StorageClass]:
			return errRequest("'StorageClass' must be different for 'Transition' actions in same 'Rule' with prefix '%s'", rulePrefix(rule))
		case t.Date != nil && !midnight(*t.Date):
			return errArgument("'Date' must be at midnight GMT", "Date", t.Date.UTC().Format(time.RFC3339))
		case t.Days != nil && *t.Days < leastDays[*t.StorageClass]:
			return errArgument(fmt.Sprintf("'Days' in Transition action must be greater than or equal to %d for storageClass '%s'",
				leastDays[*t.StorageClass], *t.StorageClass), "Days", number(t.Days))
		case t.Days != nil && *t.Days < 0:
			return errArgument("'Days' for Transition action must be nonnegative", "Days", number(t.Days))
		case t.Days != nil && rule.Expiration != nil && rule.Expiration.Days != nil && *rule.Expiration.Days <= *t.Days:
			return errArgument(fmt.Sprintf("'Days' in the Expiration action for filter '(prefix=%s)' must be greater than 'Days' in the Transition action",
				rulePrefix(rule)), "Days", number(rule.Expiration.Days))
		}
		seen[*t.StorageClass] = true
	}
	for _, t := range rule.NoncurrentVersionTransitions {
		if t.StorageClass == nil || t.NoncurrentDays == nil || *t.NoncurrentDays < 0 {
			return errMalformed()
		}
	}
	return nil
}

// rulePrefix is the beginning that keys of a rule have.
func rulePrefix(rule *api.LifecycleRule) string {
	switch f := rule.Filter; {
	case f == nil:
		return aws.Value(rule.Prefix)
	case f.And != nil:
		return aws.Value(f.And.Prefix)
	default:
		return aws.Value(f.Prefix)
	}
}
