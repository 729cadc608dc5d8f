package s3

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Settings of which a bucket may have several, each with an id. They are kept and told.

// maxConfigurations is how many a bucket can have of a kind, and maxListed how many one
// list shows.
const maxConfigurations, maxListed = 1000, 100

// A series is a kind of settings with ids.
type series[T any] struct {
	s     *Service
	name  string
	id    func(*T) *string
	check func(*T) error
	// keys, if not nil, are the condition keys of one that is put.
	keys func(*T) map[string][]string
}

func put[In, T any](op *aws.Op[In, aws.Empty], k series[T], action string, of func(*In) (bucket, owner, id *string, v *T)) aws.Route {
	return op.To(func(ctx context.Context, in *In) (*aws.Empty, error) {
		name, owner, id, v := of(in)
		if own := k.id(v); own == nil || *own != *id {
			return nil, errArgument("Your request's id does not match the configuration's", "Id", *id)
		}
		if len(*id) > 64 || strings.Trim(*id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") != "" {
			return nil, aws.Errorf(400, "InvalidConfigurationId", "The specified configuration id is invalid.")
		}
		if k.check != nil {
			if err := k.check(v); err != nil {
				return nil, err
			}
		}
		return nil, k.s.onBucketDo(ctx, name, owner, func(tx store.Tx, b *bucket) error {
			n := 0
			for e, err := range settings.List(ctx, tx, b.scope(), store.ListOptions{Prefix: []any{b.ID, k.name}}) {
				if err != nil {
					return err
				}
				if e.Key.String(2) != *id {
					n++
				}
			}
			if n >= maxConfigurations {
				return aws.Errorf(400, "TooManyConfigurations", "You are attempting to create a new configuration but have already reached the 1,000-configuration limit.")
			}
			return putSetting(tx, b, k.name, *id, v)
		})
	}, onBucketWith(k.s, func(in *In) *string { name, _, _, _ := of(in); return name }, func(in *In) []demand {
		d := demand{action: action}
		if _, _, _, v := of(in); v != nil && k.keys != nil {
			d.keys = k.keys(v)
		}
		return []demand{d}
	}))
}

func errNoConfiguration() error {
	return aws.Errorf(404, "NoSuchConfiguration", "The specified configuration does not exist.")
}

func get[In, T, Out any](op *aws.Op[In, Out], k series[T], action string, of func(*In) (bucket, owner, id *string), show func(*T) *Out) aws.Route {
	return op.To(func(ctx context.Context, in *In) (out *Out, err error) {
		name, owner, id := of(in)
		err = k.s.onBucketRead(ctx, name, owner, func(r store.Reader, b *bucket) error {
			v, err := settingOf[T](ctx, r, b, k.name, *id)
			if err == nil && v == nil {
				err = errNoConfiguration()
			}
			if err == nil {
				out = show(v)
			}
			return err
		})
		return out, err
	}, onBucket(k.s, func(in *In) *string { name, _, _ := of(in); return name }, action))
}

func remove[In, T any](op *aws.Op[In, aws.Empty], k series[T], action string, of func(*In) (bucket, owner, id *string)) aws.Route {
	return op.To(func(ctx context.Context, in *In) (*aws.Empty, error) {
		name, owner, id := of(in)
		return nil, k.s.onBucketDo(ctx, name, owner, func(tx store.Tx, b *bucket) error {
			v, err := settingOf[T](ctx, tx, b, k.name, *id)
			if err == nil && v == nil {
				err = errNoConfiguration()
			}
			if err != nil {
				return err
			}
			return dropSetting(tx, b, k.name, *id)
		})
	}, onBucket(k.s, func(in *In) *string { name, _, _ := of(in); return name }, action))
}

// A listing is a page of a series.
type listing[T any] struct {
	list        []T
	token, next *string
	truncated   *bool
}

func list[In, T, Out any](op *aws.Op[In, Out], k series[T], action string, of func(*In) (bucket, owner, token *string), show func(listing[T]) *Out) aws.Route {
	return op.To(func(ctx context.Context, in *In) (*Out, error) {
		name, owner, token := of(in)
		page := listing[T]{token: token, truncated: new(bool)}
		err := k.s.onBucketRead(ctx, name, owner, func(r store.Reader, b *bucket) error {
			o := store.ListOptions{Prefix: []any{b.ID, k.name}}
			if token != nil {
				var after string
				if !aws.ParseToken(*token, &after) {
					return errArgument("The continuation token provided is incorrect", "continuation-token", *token)
				}
				o.After = []any{b.ID, k.name, after}
			}
			last := ""
			for e, err := range settings.List(ctx, r, b.scope(), o) {
				if err != nil {
					return err
				}
				if len(page.list) == maxListed {
					next := aws.Token(last)
					page.next, *page.truncated = &next, true
					return nil
				}
				last = e.Key.String(2)
				v, err := settingOf[T](ctx, r, b, k.name, last)
				if err != nil {
					return err
				}
				page.list = append(page.list, *v)
			}
			return nil
		})
		return show(page), err
	}, onBucket(k.s, func(in *In) *string { name, _, _ := of(in); return name }, action))
}

func (s *Service) analyticsRoutes() []aws.Route {
	k := series[api.AnalyticsConfiguration]{s, "analytics", func(c *api.AnalyticsConfiguration) *string { return c.Id }, nil, nil}
	return []aws.Route{
		remove(&api.DeleteBucketAnalyticsConfiguration, k, "s3:PutAnalyticsConfiguration",
			func(in *api.DeleteBucketAnalyticsConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			}),
		get(&api.GetBucketAnalyticsConfiguration, k, "s3:GetAnalyticsConfiguration",
			func(in *api.GetBucketAnalyticsConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			},
			func(c *api.AnalyticsConfiguration) *api.GetBucketAnalyticsConfigurationOutput {
				return &api.GetBucketAnalyticsConfigurationOutput{AnalyticsConfiguration: c}
			}),
		list(&api.ListBucketAnalyticsConfigurations, k, "s3:GetAnalyticsConfiguration",
			func(in *api.ListBucketAnalyticsConfigurationsRequest) (bucket, owner, token *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.ContinuationToken
			},
			func(p listing[api.AnalyticsConfiguration]) *api.ListBucketAnalyticsConfigurationsOutput {
				return &api.ListBucketAnalyticsConfigurationsOutput{AnalyticsConfigurationList: p.list, ContinuationToken: p.token, NextContinuationToken: p.next, IsTruncated: p.truncated}
			}),
		put(&api.PutBucketAnalyticsConfiguration, k, "s3:PutAnalyticsConfiguration",
			func(in *api.PutBucketAnalyticsConfigurationRequest) (bucket, owner, id *string, c *api.AnalyticsConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id, in.AnalyticsConfiguration
			}),
	}
}

func (s *Service) inventoryRoutes() []aws.Route {
	k := series[api.InventoryConfiguration]{s, "inventory", func(c *api.InventoryConfiguration) *string { return c.Id }, checkInventory, reported}
	return []aws.Route{
		remove(&api.DeleteBucketInventoryConfiguration, k, "s3:PutInventoryConfiguration",
			func(in *api.DeleteBucketInventoryConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			}),
		get(&api.GetBucketInventoryConfiguration, k, "s3:GetInventoryConfiguration",
			func(in *api.GetBucketInventoryConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			},
			func(c *api.InventoryConfiguration) *api.GetBucketInventoryConfigurationOutput {
				return &api.GetBucketInventoryConfigurationOutput{InventoryConfiguration: c}
			}),
		list(&api.ListBucketInventoryConfigurations, k, "s3:GetInventoryConfiguration",
			func(in *api.ListBucketInventoryConfigurationsRequest) (bucket, owner, token *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.ContinuationToken
			},
			func(p listing[api.InventoryConfiguration]) *api.ListBucketInventoryConfigurationsOutput {
				return &api.ListBucketInventoryConfigurationsOutput{InventoryConfigurationList: p.list, ContinuationToken: p.token, NextContinuationToken: p.next, IsTruncated: p.truncated}
			}),
		put(&api.PutBucketInventoryConfiguration, k, "s3:PutInventoryConfiguration",
			func(in *api.PutBucketInventoryConfigurationRequest) (bucket, owner, id *string, c *api.InventoryConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id, in.InventoryConfiguration
			}),
	}
}

func (s *Service) metricsRoutes() []aws.Route {
	k := series[api.MetricsConfiguration]{s, metricsSetting, func(c *api.MetricsConfiguration) *string { return c.Id }, nil, nil}
	return []aws.Route{
		remove(&api.DeleteBucketMetricsConfiguration, k, "s3:PutMetricsConfiguration",
			func(in *api.DeleteBucketMetricsConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			}),
		get(&api.GetBucketMetricsConfiguration, k, "s3:GetMetricsConfiguration",
			func(in *api.GetBucketMetricsConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			},
			func(c *api.MetricsConfiguration) *api.GetBucketMetricsConfigurationOutput {
				return &api.GetBucketMetricsConfigurationOutput{MetricsConfiguration: c}
			}),
		list(&api.ListBucketMetricsConfigurations, k, "s3:GetMetricsConfiguration",
			func(in *api.ListBucketMetricsConfigurationsRequest) (bucket, owner, token *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.ContinuationToken
			},
			func(p listing[api.MetricsConfiguration]) *api.ListBucketMetricsConfigurationsOutput {
				return &api.ListBucketMetricsConfigurationsOutput{MetricsConfigurationList: p.list, ContinuationToken: p.token, NextContinuationToken: p.next, IsTruncated: p.truncated}
			}),
		put(&api.PutBucketMetricsConfiguration, k, "s3:PutMetricsConfiguration",
			func(in *api.PutBucketMetricsConfigurationRequest) (bucket, owner, id *string, c *api.MetricsConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id, in.MetricsConfiguration
			}),
	}
}

func (s *Service) intelligentTieringRoutes() []aws.Route {
	k := series[api.IntelligentTieringConfiguration]{s, "intelligenttiering", func(c *api.IntelligentTieringConfiguration) *string { return c.Id }, checkTiering, nil}
	return []aws.Route{
		remove(&api.DeleteBucketIntelligentTieringConfiguration, k, "s3:PutIntelligentTieringConfiguration",
			func(in *api.DeleteBucketIntelligentTieringConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			}),
		get(&api.GetBucketIntelligentTieringConfiguration, k, "s3:GetIntelligentTieringConfiguration",
			func(in *api.GetBucketIntelligentTieringConfigurationRequest) (bucket, owner, id *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id
			},
			func(c *api.IntelligentTieringConfiguration) *api.GetBucketIntelligentTieringConfigurationOutput {
				return &api.GetBucketIntelligentTieringConfigurationOutput{IntelligentTieringConfiguration: c}
			}),
		list(&api.ListBucketIntelligentTieringConfigurations, k, "s3:GetIntelligentTieringConfiguration",
			func(in *api.ListBucketIntelligentTieringConfigurationsRequest) (bucket, owner, token *string) {
				return in.Bucket, in.ExpectedBucketOwner, in.ContinuationToken
			},
			func(p listing[api.IntelligentTieringConfiguration]) *api.ListBucketIntelligentTieringConfigurationsOutput {
				return &api.ListBucketIntelligentTieringConfigurationsOutput{IntelligentTieringConfigurationList: p.list, ContinuationToken: p.token, NextContinuationToken: p.next, IsTruncated: p.truncated}
			}),
		put(&api.PutBucketIntelligentTieringConfiguration, k, "s3:PutIntelligentTieringConfiguration",
			func(in *api.PutBucketIntelligentTieringConfigurationRequest) (bucket, owner, id *string, c *api.IntelligentTieringConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.Id, in.IntelligentTieringConfiguration
			}),
	}
}

func checkInventory(c *api.InventoryConfiguration) error {
	if !strings.HasPrefix(*c.Destination.S3BucketDestination.Bucket, "arn:aws:s3:::") {
		return aws.Errorf(400, "InvalidS3DestinationBucket", "Invalid bucket ARN.")
	}
	return nil
}

func checkTiering(c *api.IntelligentTieringConfiguration) error {
	seen := map[string]bool{}
	for _, t := range c.Tierings {
		least := int32(90)
		if *t.AccessTier == "DEEP_ARCHIVE_ACCESS" {
			least = 180
		}
		if *t.Days < least || *t.Days > 730 || seen[*t.AccessTier] {
			return errMalformed()
		}
		seen[*t.AccessTier] = true
	}
	if len(seen) == 0 {
		return errMalformed()
	}
	return nil
}
