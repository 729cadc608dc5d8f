package resource

import (
	"strings"

	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// moreBucketParts are those whose properties are not worded as S3's operations are.
var moreBucketParts = []bucketPart{
	{"BucketEncryption", func(c *Call, v any) error {
		in := &s3api.PutBucketEncryptionRequest{Bucket: &c.ID, ServerSideEncryptionConfiguration: &s3api.ServerSideEncryptionConfiguration{}}
		v = renamed(v, map[string]string{"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"})
		return put(c, v, &in.ServerSideEncryptionConfiguration.Rules, "ServerSideEncryptionConfiguration", func() error { _, err := s3api.PutBucketEncryption.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.DeleteBucketEncryption.Do(c, c.Peers, &s3api.DeleteBucketEncryptionRequest{Bucket: &c.ID})
		return err
	}},
	{"CorsConfiguration", func(c *Call, v any) error {
		in := &s3api.PutBucketCorsRequest{Bucket: &c.ID, CORSConfiguration: &s3api.CORSConfiguration{}}
		v = renamed(v, map[string]string{"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"})
		return put(c, v, in.CORSConfiguration, "", func() error { _, err := s3api.PutBucketCors.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.DeleteBucketCors.Do(c, c.Peers, &s3api.DeleteBucketCorsRequest{Bucket: &c.ID})
		return err
	}},
	{"LifecycleConfiguration", putLifecycle, func(c *Call) error {
		_, err := s3api.DeleteBucketLifecycle.Do(c, c.Peers, &s3api.DeleteBucketLifecycleRequest{Bucket: &c.ID})
		return err
	}},
	{"WebsiteConfiguration", func(c *Call, v any) error {
		in := &s3api.PutBucketWebsiteRequest{Bucket: &c.ID, WebsiteConfiguration: &s3api.WebsiteConfiguration{}}
		o, _ := renamed(v, map[string]string{"RedirectRule": "Redirect", "RoutingRuleCondition": "Condition"}).(*ordered.Object)
		for name, within := range map[string]string{"IndexDocument": "Suffix", "ErrorDocument": "Key"} {
			if o.Has(name) {
				o.Set(name, ordered.New().Set(within, o.Get(name)))
			}
		}
		return put(c, o, in.WebsiteConfiguration, "", func() error { _, err := s3api.PutBucketWebsite.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.DeleteBucketWebsite.Do(c, c.Peers, &s3api.DeleteBucketWebsiteRequest{Bucket: &c.ID})
		return err
	}},
	{"ObjectLockConfiguration", func(c *Call, v any) error {
		in := &s3api.PutObjectLockConfigurationRequest{Bucket: &c.ID, ObjectLockConfiguration: &s3api.ObjectLockConfiguration{}}
		return put(c, v, in.ObjectLockConfiguration, "", func() error { _, err := s3api.PutObjectLockConfiguration.Do(c, c.Peers, in); return err })
	}, nil},
	{"LoggingConfiguration", func(c *Call, v any) error {
		in := &s3api.PutBucketLoggingRequest{Bucket: &c.ID, BucketLoggingStatus: &s3api.BucketLoggingStatus{LoggingEnabled: &s3api.LoggingEnabled{TargetBucket: &c.ID, TargetPrefix: new("")}}}
		v = renamed(v, map[string]string{"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"})
		return put(c, v, in.BucketLoggingStatus.LoggingEnabled, "", func() error { _, err := s3api.PutBucketLogging.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.PutBucketLogging.Do(c, c.Peers, &s3api.PutBucketLoggingRequest{Bucket: &c.ID, BucketLoggingStatus: &s3api.BucketLoggingStatus{}})
		return err
	}},
	{"AccelerateConfiguration", func(c *Call, v any) error {
		o, _ := v.(*ordered.Object)
		_, err := s3api.PutBucketAccelerateConfiguration.Do(c, c.Peers, &s3api.PutBucketAccelerateConfigurationRequest{Bucket: &c.ID,
			AccelerateConfiguration: &s3api.AccelerateConfiguration{Status: new(member(o, "AccelerationStatus"))}})
		return err
	}, func(c *Call) error {
		_, err := s3api.PutBucketAccelerateConfiguration.Do(c, c.Peers, &s3api.PutBucketAccelerateConfigurationRequest{Bucket: &c.ID,
			AccelerateConfiguration: &s3api.AccelerateConfiguration{Status: new("Suspended")}})
		return err
	}},
	{"ReplicationConfiguration", func(c *Call, v any) error {
		in := &s3api.PutBucketReplicationRequest{Bucket: &c.ID, ReplicationConfiguration: &s3api.ReplicationConfiguration{}}
		v = renamed(v, map[string]string{"TagFilter": "Tag", "TagFilters": "Tags"})
		return put(c, v, in.ReplicationConfiguration, "", func() error { _, err := s3api.PutBucketReplication.Do(c, c.Peers, in); return err })
	}, func(c *Call) error {
		_, err := s3api.DeleteBucketReplication.Do(c, c.Peers, &s3api.DeleteBucketReplicationRequest{Bucket: &c.ID})
		return err
	}},
	{"NotificationConfiguration", putNotifications, func(c *Call) error { return putNotifications(c, ordered.New()) }},
	{"InventoryConfigurations", putInventories, putInventoriesNone},
	{"AnalyticsConfigurations", putAnalytics, putAnalyticsNone},
	{"MetricsConfigurations", putBucketMetrics, putBucketMetricsNone},
	{"IntelligentTieringConfigurations", putTierings, putTieringsNone},
}

// putNotifications says whom a bucket tells what: each of the template's configurations
// is of one event.
func putNotifications(c *Call, v any) error {
	o, _ := v.(*ordered.Object)
	to := ordered.New()
	for _, kind := range [][3]string{{"LambdaConfigurations", "LambdaFunctionConfigurations", "LambdaFunctionArn"}, {"QueueConfigurations", "QueueConfigurations", "QueueArn"},
		{"TopicConfigurations", "TopicConfigurations", "TopicArn"}} {
		var list []any
		for _, one := range objects(o.Get(kind[0])) {
			n := renamed(one, map[string]string{"Event": "Events", "Function": kind[2], "Queue": kind[2], "Topic": kind[2], "S3Key": "Key", "Rules": "FilterRules"}).(*ordered.Object)
			list = append(list, n.Set("Events", []any{one.Get("Event")}))
		}
		if list != nil {
			to.Set(kind[1], list)
		}
	}
	in := &s3api.PutBucketNotificationConfigurationRequest{Bucket: &c.ID, NotificationConfiguration: &s3api.NotificationConfiguration{}}
	if bridge := child(o, "EventBridgeConfiguration"); o.Has("EventBridgeConfiguration") && (!bridge.Has("EventBridgeEnabled") || isTrue(bridge, "EventBridgeEnabled")) {
		in.NotificationConfiguration.EventBridgeConfiguration = &s3api.EventBridgeConfiguration{}
	}
	return put(c, to, in.NotificationConfiguration, "", func() error { _, err := s3api.PutBucketNotificationConfiguration.Do(c, c.Peers, in); return err })
}

// putLifecycle sets a bucket's lifecycle. A template's rules say flatly what S3's say in
// structures, some in two ways.
func putLifecycle(c *Call, v any) error {
	o, _ := v.(*ordered.Object)
	in := &s3api.PutBucketLifecycleConfigurationRequest{Bucket: &c.ID, LifecycleConfiguration: &s3api.BucketLifecycleConfiguration{}}
	if size := member(o, "TransitionDefaultMinimumObjectSize"); size != "" {
		in.TransitionDefaultMinimumObjectSize = &size
	}
	for _, rule := range objects(o.Get("Rules")) {
		var r s3api.LifecycleRule
		if err := FillFrom(&r, lifecycleRule(rule), "Rules"); err != nil {
			return err
		}
		in.LifecycleConfiguration.Rules = append(in.LifecycleConfiguration.Rules, r)
	}
	_, err := s3api.PutBucketLifecycleConfiguration.Do(c, c.Peers, in)
	return err
}

func lifecycleRule(rule *ordered.Object) *ordered.Object {
	to := ordered.New().Set("Status", rule.Get("Status"))
	copyMembers(to, rule, map[string]string{"Id": "ID", "AbortIncompleteMultipartUpload": "AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration": "NoncurrentVersionExpiration"})
	expiration := ordered.New()
	copyMembers(expiration, rule, map[string]string{"ExpirationDate": "Date", "ExpirationInDays": "Days", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"})
	if len(expiration.Names()) > 0 {
		to.Set("Expiration", expiration)
	}
	if rule.Has("NoncurrentVersionExpirationInDays") {
		to.Set("NoncurrentVersionExpiration", ordered.New().Set("NoncurrentDays", rule.Get("NoncurrentVersionExpirationInDays")))
	}
	for _, kind := range []struct {
		from, to string
		names    map[string]string
	}{{"Transition", "Transitions", map[string]string{"TransitionDate": "Date", "TransitionInDays": "Days"}},
		{"NoncurrentVersionTransition", "NoncurrentVersionTransitions", map[string]string{"TransitionInDays": "NoncurrentDays"}}} {
		var list []any
		if rule.Has(kind.from) {
			list = append(list, renamed(rule.Get(kind.from), kind.names))
		}
		for _, one := range objects(rule.Get(kind.to)) {
			list = append(list, renamed(one, kind.names))
		}
		if list != nil {
			to.Set(kind.to, list)
		}
	}
	return to.Set("Filter", filterOf(rule, "Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan"))
}

func copyMembers(to, from *ordered.Object, names map[string]string) {
	for _, name := range from.Names() {
		if as, ok := names[name]; ok {
			to.Set(as, from.Get(name))
		}
	}
}

// filterOf is S3's filter of a rule whose conditions are its own members: one alone, or
// several in «And».
func filterOf(rule *ordered.Object, names ...string) *ordered.Object {
	f := ordered.New()
	for _, name := range names {
		if rule.Has(name) {
			f.Set(name, rule.Get(name))
		}
	}
	tags, _ := rule.Get("TagFilters").([]any)
	switch {
	case len(tags) == 0 && len(f.Names()) < 2:
		return f
	case len(tags) == 1 && len(f.Names()) == 0:
		return f.Set("Tag", tags[0])
	case len(tags) > 0:
		f.Set("Tags", tags)
	}
	return ordered.New().Set("And", f)
}

// listed sets a bucket's configurations of one kind, each under its Id, and removes those
// that are not to be any more.
func listed(c *Call, property string, v any, set func(o *ordered.Object) error, remove func(id *string) error) error {
	now := objects(v)
	for _, o := range now {
		if c.Old != nil && containsEqual(c.Old.Get(property), o) {
			continue
		}
		if err := set(o); err != nil {
			return err
		}
	}
	if c.Old == nil {
		return nil
	}
	for _, o := range objects(c.Old.Get(property)) {
		if id := member(o, "Id"); !hasMember(now, "Id", id) {
			if err := remove(&id); err != nil && !Gone(err) {
				return err
			}
		}
	}
	return nil
}

func putInventoriesNone(c *Call) error { return putInventories(c, nil) }

func putInventories(c *Call, v any) error {
	return listed(c, "InventoryConfigurations", v, func(o *ordered.Object) error {
		to := ordered.New().Set("IsEnabled", o.Get("Enabled")).Set("Schedule", ordered.New().Set("Frequency", o.Get("ScheduleFrequency"))).Set("Destination", destinationOf(o))
		copyMembers(to, o, map[string]string{"Id": "Id", "IncludedObjectVersions": "IncludedObjectVersions", "OptionalFields": "OptionalFields"})
		if o.Has("Prefix") {
			to.Set("Filter", ordered.New().Set("Prefix", o.Get("Prefix")))
		}
		in := &s3api.PutBucketInventoryConfigurationRequest{Bucket: &c.ID, Id: new(member(o, "Id")), InventoryConfiguration: &s3api.InventoryConfiguration{}}
		return put(c, to, in.InventoryConfiguration, "", func() error { _, err := s3api.PutBucketInventoryConfiguration.Do(c, c.Peers, in); return err })
	}, func(id *string) error {
		_, err := s3api.DeleteBucketInventoryConfiguration.Do(c, c.Peers, &s3api.DeleteBucketInventoryConfigurationRequest{Bucket: &c.ID, Id: id})
		return err
	})
}

// destinationOf is the bucket that reports go to.
func destinationOf(o *ordered.Object) *ordered.Object {
	return ordered.New().Set("S3BucketDestination", renamed(o.Get("Destination"), map[string]string{"BucketArn": "Bucket", "BucketAccountId": "AccountId"}))
}

func putAnalyticsNone(c *Call) error { return putAnalytics(c, nil) }

func putAnalytics(c *Call, v any) error {
	return listed(c, "AnalyticsConfigurations", v, func(o *ordered.Object) error {
		storage := ordered.New()
		if export := child(child(o, "StorageClassAnalysis"), "DataExport"); export.Has("Destination") {
			destination := renamed(export.Get("Destination"), map[string]string{"BucketArn": "Bucket"})
			storage.Set("DataExport", ordered.New().Set("OutputSchemaVersion", export.Get("OutputSchemaVersion")).Set("Destination", ordered.New().Set("S3BucketDestination", destination)))
		}
		to := ordered.New().Set("Id", o.Get("Id")).Set("StorageClassAnalysis", storage)
		if f := filterOf(o, "Prefix"); len(f.Names()) > 0 {
			to.Set("Filter", f)
		}
		in := &s3api.PutBucketAnalyticsConfigurationRequest{Bucket: &c.ID, Id: new(member(o, "Id")), AnalyticsConfiguration: &s3api.AnalyticsConfiguration{}}
		return put(c, to, in.AnalyticsConfiguration, "", func() error { _, err := s3api.PutBucketAnalyticsConfiguration.Do(c, c.Peers, in); return err })
	}, func(id *string) error {
		_, err := s3api.DeleteBucketAnalyticsConfiguration.Do(c, c.Peers, &s3api.DeleteBucketAnalyticsConfigurationRequest{Bucket: &c.ID, Id: id})
		return err
	})
}

func putBucketMetricsNone(c *Call) error { return putBucketMetrics(c, nil) }

func putBucketMetrics(c *Call, v any) error {
	return listed(c, "MetricsConfigurations", v, func(o *ordered.Object) error {
		to := ordered.New().Set("Id", o.Get("Id"))
		if f := filterOf(o, "AccessPointArn", "Prefix"); len(f.Names()) > 0 {
			to.Set("Filter", f)
		}
		in := &s3api.PutBucketMetricsConfigurationRequest{Bucket: &c.ID, Id: new(member(o, "Id")), MetricsConfiguration: &s3api.MetricsConfiguration{}}
		return put(c, to, in.MetricsConfiguration, "", func() error { _, err := s3api.PutBucketMetricsConfiguration.Do(c, c.Peers, in); return err })
	}, func(id *string) error {
		_, err := s3api.DeleteBucketMetricsConfiguration.Do(c, c.Peers, &s3api.DeleteBucketMetricsConfigurationRequest{Bucket: &c.ID, Id: id})
		return err
	})
}

func putTieringsNone(c *Call) error { return putTierings(c, nil) }

func putTierings(c *Call, v any) error {
	return listed(c, "IntelligentTieringConfigurations", v, func(o *ordered.Object) error {
		to := omit(o, []string{"Prefix", "TagFilters"})
		if f := filterOf(o, "Prefix"); len(f.Names()) > 0 {
			to.Set("Filter", f)
		}
		in := &s3api.PutBucketIntelligentTieringConfigurationRequest{Bucket: &c.ID, Id: new(member(o, "Id")), IntelligentTieringConfiguration: &s3api.IntelligentTieringConfiguration{}}
		return put(c, to, in.IntelligentTieringConfiguration, "", func() error { _, err := s3api.PutBucketIntelligentTieringConfiguration.Do(c, c.Peers, in); return err })
	}, func(id *string) error {
		_, err := s3api.DeleteBucketIntelligentTieringConfiguration.Do(c, c.Peers, &s3api.DeleteBucketIntelligentTieringConfigurationRequest{Bucket: &c.ID, Id: id})
		return err
	})
}

// bucketPolicyType is a bucket's policy as a resource of its own.
var bucketPolicyType = &Type{
	Name: "AWS::S3::BucketPolicy",
	Create: func(c *Call) error {
		c.ID = c.Text("Bucket")
		return putBucketPolicy(c)
	},
	Update: putBucketPolicy,
	Find: func(c *Call) error {
		bucket := c.Text("Bucket")
		out, err := s3api.GetBucketPolicy.Do(c, c.Peers, &s3api.GetBucketPolicyRequest{Bucket: &bucket})
		if err != nil {
			return found(err)
		}
		if have, err := ordered.Parse([]byte(aws.Value(out.Policy))); err == nil && template.Equal(have, c.Get("PolicyDocument")) {
			c.ID = bucket
		}
		return nil
	},
	Delete: func(c *Call) error {
		_, err := s3api.DeleteBucketPolicy.Do(c, c.Peers, &s3api.DeleteBucketPolicyRequest{Bucket: &c.ID})
		return err
	},
}

func putBucketPolicy(c *Call) error {
	c.Take("Bucket")
	_, err := s3api.PutBucketPolicy.Do(c, c.Peers, &s3api.PutBucketPolicyRequest{Bucket: &c.ID, Policy: new(strings.TrimSpace(Texted(c.Get("PolicyDocument"))))})
	return err
}
