package firehose

import (
	api "github.com/tule-cloud/tule/api/firehose"
)

// What AWS sets where a call leaves it open.
const (
	defaultSize        = 5   // MiB
	defaultInterval    = 300 // seconds
	partitionedSize    = 128 // MiB, of partitioned and converted records
	splunkInterval     = 60
	defaultRetry       = 300 // seconds
	splunkRetry        = 3600
	redshiftRetry      = 3600
	splunkAcknowledged = 180
)

// fallback sets what is not set.
func fallback[T any](p **T, v T) {
	if *p == nil {
		*p = &v
	}
}

// complete sets what a destination leaves open.
func (d *destination) complete() {
	switch {
	case d.S3 != nil:
		d.completeS3()
	case d.HTTP != nil:
		c := d.HTTP
		fallback(&c.BufferingHints, api.HttpEndpointBufferingHints{})
		hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, defaultSize, defaultInterval)
		fallback(&c.RetryOptions, api.HttpEndpointRetryOptions{})
		fallback(&c.RetryOptions.DurationInSeconds, defaultRetry)
		fallback(&c.RequestConfiguration, api.HttpEndpointRequestConfiguration{})
		fallback(&c.RequestConfiguration.ContentEncoding, api.ContentEncodingNone)
		fallback(&c.S3BackupMode, api.HttpEndpointS3BackupModeFailedDataOnly)
		logging(&c.CloudWatchLoggingOptions)
		completeBucket(c.S3Configuration)
	case d.Search != nil:
		c := d.Search
		fallback(&c.BufferingHints, api.AmazonopensearchserviceBufferingHints{})
		hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, defaultSize, defaultInterval)
		fallback(&c.RetryOptions, api.AmazonopensearchserviceRetryOptions{})
		fallback(&c.RetryOptions.DurationInSeconds, defaultRetry)
		fallback(&c.IndexRotationPeriod, api.AmazonopensearchserviceIndexRotationPeriodOneDay)
		fallback(&c.S3BackupMode, api.AmazonopensearchserviceS3BackupModeFailedDocumentsOnly)
		logging(&c.CloudWatchLoggingOptions)
		completeBucket(c.S3Configuration)
	case d.Elastic != nil:
		c := d.Elastic
		fallback(&c.BufferingHints, api.ElasticsearchBufferingHints{})
		hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, defaultSize, defaultInterval)
		fallback(&c.RetryOptions, api.ElasticsearchRetryOptions{})
		fallback(&c.RetryOptions.DurationInSeconds, defaultRetry)
		fallback(&c.IndexRotationPeriod, api.ElasticsearchIndexRotationPeriodOneDay)
		fallback(&c.S3BackupMode, api.ElasticsearchS3BackupModeFailedDocumentsOnly)
		logging(&c.CloudWatchLoggingOptions)
		completeBucket(c.S3Configuration)
	case d.Serverless != nil:
		c := d.Serverless
		fallback(&c.BufferingHints, api.AmazonOpenSearchServerlessBufferingHints{})
		hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, defaultSize, defaultInterval)
		fallback(&c.RetryOptions, api.AmazonOpenSearchServerlessRetryOptions{})
		fallback(&c.RetryOptions.DurationInSeconds, defaultRetry)
		fallback(&c.S3BackupMode, api.AmazonOpenSearchServerlessS3BackupModeFailedDocumentsOnly)
		logging(&c.CloudWatchLoggingOptions)
		completeBucket(c.S3Configuration)
	default:
		d.completeRest()
	}
}

func (d *destination) completeS3() {
	c := d.S3
	size := int32(defaultSize)
	if partitions(c.DynamicPartitioningConfiguration) || converts(c.DataFormatConversionConfiguration) {
		size = partitionedSize
	}
	fallback(&c.BufferingHints, api.BufferingHints{})
	hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, size, defaultInterval)
	fallback(&c.CompressionFormat, api.CompressionFormatUncompressed)
	encryption(&c.EncryptionConfiguration)
	logging(&c.CloudWatchLoggingOptions)
	fallback(&c.S3BackupMode, api.S3BackupModeDisabled)
	if d := c.DynamicPartitioningConfiguration; d != nil {
		fallback(&d.RetryOptions, api.RetryOptions{})
		fallback(&d.RetryOptions.DurationInSeconds, defaultRetry)
	}
	completeBucket(c.S3BackupConfiguration)
}

func (d *destination) completeRest() {
	switch {
	case d.Splunk != nil:
		c := d.Splunk
		fallback(&c.BufferingHints, api.SplunkBufferingHints{})
		hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, defaultSize, splunkInterval)
		fallback(&c.RetryOptions, api.SplunkRetryOptions{})
		fallback(&c.RetryOptions.DurationInSeconds, splunkRetry)
		fallback(&c.HECAcknowledgmentTimeoutInSeconds, splunkAcknowledged)
		fallback(&c.S3BackupMode, api.SplunkS3BackupModeFailedEventsOnly)
		logging(&c.CloudWatchLoggingOptions)
		completeBucket(c.S3Configuration)
	case d.Redshift != nil:
		c := d.Redshift
		fallback(&c.RetryOptions, api.RedshiftRetryOptions{})
		fallback(&c.RetryOptions.DurationInSeconds, redshiftRetry)
		fallback(&c.S3BackupMode, api.RedshiftS3BackupModeDisabled)
		logging(&c.CloudWatchLoggingOptions)
		completeBucket(c.S3Configuration)
		completeBucket(c.S3BackupConfiguration)
	}
}

func hints(size, interval **int32, mb, seconds int32) {
	fallback(size, mb)
	fallback(interval, seconds)
}

func logging(c **api.CloudWatchLoggingOptions) {
	fallback(c, api.CloudWatchLoggingOptions{})
	fallback(&(*c).Enabled, false)
}

func encryption(c **api.EncryptionConfiguration) {
	fallback(c, api.EncryptionConfiguration{NoEncryptionConfig: new(api.NoEncryptionConfigNoEncryption)})
}

// completeBucket sets what a configuration of S3 leaves open; nil is left alone.
func completeBucket(c *api.S3DestinationConfiguration) {
	if c == nil {
		return
	}
	fallback(&c.BufferingHints, api.BufferingHints{})
	hints(&c.BufferingHints.SizeInMBs, &c.BufferingHints.IntervalInSeconds, defaultSize, defaultInterval)
	fallback(&c.CompressionFormat, api.CompressionFormatUncompressed)
	encryption(&c.EncryptionConfiguration)
	logging(&c.CloudWatchLoggingOptions)
}
