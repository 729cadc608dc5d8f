package s3

import (
	"context"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A bucket's metadata tables lie in S3 Tables, which Tule does not have. What is asked
// for is kept; the state of its tables is FAILED and says why.

const (
	metadataSetting      = "metadata"      // api.MetadataConfiguration
	metadataTableSetting = "metadatatable" // api.MetadataTableConfiguration
)

func (s *Service) metadataRoutes() []aws.Route {
	absent := func(b *bucket) error {
		return notThere(b, "MetadataConfigurationNotFound", "The metadata configuration was not found")
	}
	both := kind[api.MetadataConfiguration]{s, metadataSetting, absent}
	table := kind[api.MetadataTableConfiguration]{s, metadataTableSetting, absent}
	const create, show, end = "s3:CreateBucketMetadataTableConfiguration", "s3:GetBucketMetadataTableConfiguration", "s3:DeleteBucketMetadataTableConfiguration"
	return []aws.Route{
		write(&api.CreateBucketMetadataConfiguration, both, create,
			func(in *api.CreateBucketMetadataConfigurationRequest) (bucket, owner *string, c *api.MetadataConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.MetadataConfiguration
			}, checkMetadata),
		write(&api.CreateBucketMetadataTableConfiguration, table, create,
			func(in *api.CreateBucketMetadataTableConfigurationRequest) (bucket, owner *string, c *api.MetadataTableConfiguration) {
				return in.Bucket, in.ExpectedBucketOwner, in.MetadataTableConfiguration
			}, checkMetadataTable),
		drop(&api.DeleteBucketMetadataConfiguration, both, end,
			func(in *api.DeleteBucketMetadataConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		drop(&api.DeleteBucketMetadataTableConfiguration, table, end,
			func(in *api.DeleteBucketMetadataTableConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}),
		read(&api.GetBucketMetadataConfiguration, both, show,
			func(in *api.GetBucketMetadataConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}, metadataState),
		read(&api.GetBucketMetadataTableConfiguration, table, show,
			func(in *api.GetBucketMetadataTableConfigurationRequest) (bucket, owner *string) {
				return in.Bucket, in.ExpectedBucketOwner
			}, metadataTableState),
		api.UpdateBucketMetadataInventoryTableConfiguration.To(s.updateInventoryTable,
			onBucket(s, func(in *api.UpdateBucketMetadataInventoryTableConfigurationRequest) *string { return in.Bucket },
				"s3:UpdateBucketMetadataInventoryTableConfiguration")),
		api.UpdateBucketMetadataJournalTableConfiguration.To(s.updateJournalTable,
			onBucket(s, func(in *api.UpdateBucketMetadataJournalTableConfigurationRequest) *string { return in.Bucket },
				"s3:UpdateBucketMetadataJournalTableConfiguration")),
	}
}

func checkMetadata(ctx context.Context, tx store.Tx, b *bucket, c *api.MetadataConfiguration) error {
	was, err := setting[api.MetadataConfiguration](ctx, tx, b, metadataSetting)
	if err == nil && was != nil {
		err = aws.Errorf(409, "MetadataConfigurationAlreadyExists", "A metadata configuration already exists on this bucket.")
	}
	if err == nil {
		err = checkExpiration(c.JournalTableConfiguration.RecordExpiration)
	}
	return err
}

func checkExpiration(e *api.RecordExpiration) error {
	on := *e.Expiration == "ENABLED"
	if on != (e.Days != nil) || on && (*e.Days < 7 || *e.Days > 2147483647) {
		return errMalformed()
	}
	return nil
}

func checkMetadataTable(ctx context.Context, tx store.Tx, b *bucket, c *api.MetadataTableConfiguration) error {
	was, err := setting[api.MetadataTableConfiguration](ctx, tx, b, metadataTableSetting)
	if err == nil && was != nil {
		err = aws.Errorf(409, "MetadataConfigurationAlreadyExists", "A metadata configuration already exists on this bucket.")
	}
	if a, ok := aws.ParseARN(*c.S3TablesDestination.TableBucketArn); err == nil && (!ok || a.Service != "s3tables") {
		err = errArgument("Invalid table bucket ARN", "TableBucketArn", *c.S3TablesDestination.TableBucketArn)
	}
	return err
}

// noTables is why no table comes to be.
func noTables() *api.ErrorDetails {
	code, message := "ServiceUnavailable", "S3 Tables is not available in this version of Tule."
	return &api.ErrorDetails{ErrorCode: &code, ErrorMessage: &message}
}

const failed = "FAILED"

func metadataState(c *api.MetadataConfiguration) *api.GetBucketMetadataConfigurationOutput {
	journal, state, kindOf := "journal", failed, "aws"
	result := &api.MetadataConfigurationResult{
		DestinationResult: &api.DestinationResult{TableBucketType: &kindOf},
		JournalTableConfigurationResult: &api.JournalTableConfigurationResult{TableName: &journal, TableStatus: &state, Error: noTables(),
			RecordExpiration: c.JournalTableConfiguration.RecordExpiration},
	}
	if i := c.InventoryTableConfiguration; i != nil {
		result.InventoryTableConfigurationResult = &api.InventoryTableConfigurationResult{ConfigurationState: i.ConfigurationState}
		if *i.ConfigurationState == "ENABLED" {
			name := "inventory"
			result.InventoryTableConfigurationResult.TableName = &name
			result.InventoryTableConfigurationResult.TableStatus, result.InventoryTableConfigurationResult.Error = &state, noTables()
		}
	}
	return &api.GetBucketMetadataConfigurationOutput{
		GetBucketMetadataConfigurationResult: &api.GetBucketMetadataConfigurationResult{MetadataConfigurationResult: result}}
}

func metadataTableState(c *api.MetadataTableConfiguration) *api.GetBucketMetadataTableConfigurationOutput {
	d, state, namespace := c.S3TablesDestination, failed, "aws_s3_metadata"
	arn := *d.TableBucketArn + "/table/" + strings.ToLower(*d.TableName)
	return &api.GetBucketMetadataTableConfigurationOutput{
		GetBucketMetadataTableConfigurationResult: &api.GetBucketMetadataTableConfigurationResult{Status: &state, Error: noTables(),
			MetadataTableConfigurationResult: &api.MetadataTableConfigurationResult{S3TablesDestinationResult: &api.S3TablesDestinationResult{
				TableArn: &arn, TableBucketArn: d.TableBucketArn, TableName: d.TableName, TableNamespace: &namespace}}}}
}

// updateMetadata changes a bucket's metadata configuration.
func (s *Service) updateMetadata(ctx context.Context, name, owner *string, change func(*api.MetadataConfiguration)) (*aws.Empty, error) {
	return nil, s.onBucketDo(ctx, name, owner, func(tx store.Tx, b *bucket) error {
		c, err := setting[api.MetadataConfiguration](ctx, tx, b, metadataSetting)
		if err == nil && c == nil {
			err = notThere(b, "MetadataConfigurationNotFound", "The metadata configuration was not found")
		}
		if err != nil {
			return err
		}
		change(c)
		return putSetting(tx, b, metadataSetting, "", c)
	})
}

func (s *Service) updateInventoryTable(ctx context.Context, in *api.UpdateBucketMetadataInventoryTableConfigurationRequest) (*aws.Empty, error) {
	return s.updateMetadata(ctx, in.Bucket, in.ExpectedBucketOwner, func(c *api.MetadataConfiguration) {
		c.InventoryTableConfiguration = &api.InventoryTableConfiguration{ConfigurationState: in.InventoryTableConfiguration.ConfigurationState,
			EncryptionConfiguration: in.InventoryTableConfiguration.EncryptionConfiguration}
	})
}

func (s *Service) updateJournalTable(ctx context.Context, in *api.UpdateBucketMetadataJournalTableConfigurationRequest) (*aws.Empty, error) {
	if err := checkExpiration(in.JournalTableConfiguration.RecordExpiration); err != nil {
		return nil, err
	}
	return s.updateMetadata(ctx, in.Bucket, in.ExpectedBucketOwner, func(c *api.MetadataConfiguration) {
		c.JournalTableConfiguration.RecordExpiration = in.JournalTableConfiguration.RecordExpiration
	})
}
