package firehose

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// The kinds of destinations, as AWS's metrics name them.
const (
	kindS3         = "S3"
	kindHTTP       = "HttpEndpoint"
	kindSearch     = "AmazonOpenSearchService"
	kindElastic    = "Elasticsearch"
	kindServerless = "AmazonOpenSearchServerless"
	kindSplunk     = "Splunk"
	kindRedshift   = "Redshift"
)

// A plan is how a stream delivers: its destination, checked and made ready.
type plan struct {
	kind   string
	size   int64 // bytes
	every  time.Duration
	retry  time.Duration // of what endpoints refuse; S3's own is day
	role   string        // as which functions are invoked
	bucket *bucketPlan   // of S3's objects, and of what endpoints do not take
	backup *bucketPlan   // of the records as they came; nil without
	steps  []step
	// partitioned records are spread over objects by what is in them; others are one.
	partitioned bool
	convert     *conversion // nil: they are written as they are
	log         *api.CloudWatchLoggingOptions
	to          *destination
}

// A bucketPlan is how objects are written.
type bucketPlan struct {
	bucket, role string
	prefix       template
	failures     template
	plain        bool // prefix has no expressions
	compression  string
	extension    string
	key          string // of KMS; "" for none
	zone         *time.Location
	log          *api.CloudWatchLoggingOptions
}

// roles are those that are assumed.
func (p *plan) roles() []string { return rolesIn(p.to) }

func partitions(c *api.DynamicPartitioningConfiguration) bool {
	return c != nil && aws.Value(c.Enabled)
}

func converts(c *api.DataFormatConversionConfiguration) bool {
	return c != nil && (c.Enabled == nil || *c.Enabled)
}

// plan checks how a stream is configured.
func (st *stream) plan() (*plan, error) {
	p := &plan{to: &st.Destination}
	d := p.to
	var err error
	switch {
	case d.S3 != nil:
		err = p.planS3(d.S3)
	case d.HTTP != nil:
		err = p.planHTTP(d.HTTP)
	case d.Search != nil:
		c := d.Search
		p.timing(kindSearch, c.BufferingHints.SizeInMBs, c.BufferingHints.IntervalInSeconds, c.RetryOptions.DurationInSeconds, c.CloudWatchLoggingOptions)
		err = p.planSearch(c.RoleARN, c.ClusterEndpoint, c.DomainARN, c.IndexName, c.VpcConfiguration, c.S3Configuration, *c.S3BackupMode == api.AmazonopensearchserviceS3BackupModeAllDocuments)
	case d.Elastic != nil:
		c := d.Elastic
		p.timing(kindElastic, c.BufferingHints.SizeInMBs, c.BufferingHints.IntervalInSeconds, c.RetryOptions.DurationInSeconds, c.CloudWatchLoggingOptions)
		err = p.planSearch(c.RoleARN, c.ClusterEndpoint, c.DomainARN, c.IndexName, c.VpcConfiguration, c.S3Configuration, *c.S3BackupMode == api.ElasticsearchS3BackupModeAllDocuments)
	case d.Serverless != nil:
		c := d.Serverless
		p.timing(kindServerless, c.BufferingHints.SizeInMBs, c.BufferingHints.IntervalInSeconds, c.RetryOptions.DurationInSeconds, c.CloudWatchLoggingOptions)
		err = p.planSearch(c.RoleARN, c.CollectionEndpoint, nil, c.IndexName, c.VpcConfiguration, c.S3Configuration, *c.S3BackupMode == api.AmazonOpenSearchServerlessS3BackupModeAllDocuments)
	case d.Splunk != nil:
		err = p.planSplunk(d.Splunk)
	case d.Redshift != nil:
		err = p.planRedshift(d.Redshift)
	default:
		err = fmt.Errorf("firehose: a stream without a destination")
	}
	if err == nil {
		p.steps, err = newSteps(d.processing(), p.role)
	}
	if err == nil {
		err = p.checkSteps()
	}
	return p, err
}

// timing sets when a plan delivers, and for how long it tries again.
func (p *plan) timing(kind string, mb, seconds, retry *int32, log *api.CloudWatchLoggingOptions) {
	p.kind, p.log = kind, log
	p.size, p.every = int64(*mb)<<20, time.Duration(*seconds)*time.Second
	if retry != nil {
		p.retry = time.Duration(*retry) * time.Second
	}
}

// missing refuses an update to another kind of destination that does not say all of it.
func missing(name string) error {
	return api.InvalidArgumentException("%s must be specified.", name)
}

func (p *plan) planS3(c *api.ExtendedS3DestinationConfiguration) (err error) {
	if c.RoleARN == nil || c.BucketARN == nil {
		return missing("RoleARN and BucketARN")
	}
	p.timing(kindS3, c.BufferingHints.SizeInMBs, c.BufferingHints.IntervalInSeconds, nil, c.CloudWatchLoggingOptions)
	p.role = *c.RoleARN
	b := configured[api.S3DestinationConfiguration](c)
	if p.bucket, err = newBucketPlan(b, aws.Value(c.CustomTimeZone), partitions(c.DynamicPartitioningConfiguration)); err != nil {
		return err
	}
	p.bucket.extension = aws.Value(c.FileExtension)
	if *c.S3BackupMode == api.S3BackupModeEnabled {
		if c.S3BackupConfiguration == nil {
			return api.InvalidArgumentException("S3BackupConfiguration must be specified when S3BackupMode is Enabled.")
		}
		if p.backup, err = newBucketPlan(c.S3BackupConfiguration, "", false); err != nil {
			return err
		}
	}
	big := *c.BufferingHints.SizeInMBs >= 64
	if partitions(c.DynamicPartitioningConfiguration) {
		if !big {
			return api.InvalidArgumentException("BufferingHints.SizeInMBs must be at least 64 when Dynamic Partitioning is enabled.")
		}
		p.partitioned = true
	}
	if !converts(c.DataFormatConversionConfiguration) {
		return nil
	}
	if !big {
		return api.InvalidArgumentException("BufferingHints.SizeInMBs must be at least 64 when data format conversion is enabled.")
	}
	if p.bucket.compression != api.CompressionFormatUncompressed {
		return api.InvalidArgumentException("CompressionFormat must be UNCOMPRESSED when data format conversion is enabled.")
	}
	p.convert, err = newConversion(c.DataFormatConversionConfiguration)
	return err
}

// rest sets where what an endpoint does not take goes, or all.
func (p *plan) rest(c *api.S3DestinationConfiguration, all bool) (err error) {
	if c == nil {
		return missing("S3Configuration")
	}
	if p.bucket, err = newBucketPlan(c, "", false); err == nil && all {
		p.backup = p.bucket
	}
	return err
}

func (p *plan) planHTTP(c *api.HttpEndpointDestinationConfiguration) error {
	p.timing(kindHTTP, c.BufferingHints.SizeInMBs, c.BufferingHints.IntervalInSeconds, c.RetryOptions.DurationInSeconds, c.CloudWatchLoggingOptions)
	if c.EndpointConfiguration == nil || c.EndpointConfiguration.Url == nil {
		return missing("EndpointConfiguration")
	}
	p.role = aws.Value(c.RoleARN)
	if u, err := url.Parse(*c.EndpointConfiguration.Url); err != nil || u.Host == "" {
		return api.InvalidArgumentException("The URL of the HTTP endpoint is not valid.")
	}
	if err := noSecretsManager(c.SecretsManagerConfiguration); err != nil {
		return err
	}
	return p.rest(c.S3Configuration, *c.S3BackupMode == api.HttpEndpointS3BackupModeAllData)
}

func (p *plan) planSearch(role, endpoint, domain, index *string, vpc *api.VpcConfiguration, s3 *api.S3DestinationConfiguration, all bool) error {
	switch {
	case role == nil || index == nil:
		return missing("RoleARN and IndexName")
	case endpoint == nil && domain != nil:
		return api.InvalidArgumentException("The domain %s is not known: OpenSearch domains are not available in this version of Tule. Specify the endpoint of a cluster.", *domain)
	case endpoint == nil:
		return missing("The endpoint of a cluster or collection")
	case vpc != nil:
		return api.InvalidArgumentException("VpcConfiguration is not supported by this version of Tule.")
	}
	if u, err := url.Parse(*endpoint); err != nil || u.Host == "" {
		return api.InvalidArgumentException("The endpoint %s is not valid.", *endpoint)
	}
	p.role = *role
	return p.rest(s3, all)
}

func (p *plan) planSplunk(c *api.SplunkDestinationConfiguration) error {
	p.timing(kindSplunk, c.BufferingHints.SizeInMBs, c.BufferingHints.IntervalInSeconds, c.RetryOptions.DurationInSeconds, c.CloudWatchLoggingOptions)
	if c.HECEndpoint == nil || c.HECEndpointType == nil {
		return missing("HECEndpoint and HECEndpointType")
	}
	if u, err := url.Parse(*c.HECEndpoint); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return api.InvalidArgumentException("The HEC endpoint is not valid.")
	}
	if err := noSecretsManager(c.SecretsManagerConfiguration); err != nil {
		return err
	}
	if err := p.rest(c.S3Configuration, *c.S3BackupMode == api.SplunkS3BackupModeAllEvents); err != nil {
		return err
	}
	p.role = p.bucket.role
	return nil
}

func (p *plan) planRedshift(c *api.RedshiftDestinationConfiguration) (err error) {
	switch {
	case c.ClusterJDBCURL == nil || c.CopyCommand == nil || c.RoleARN == nil:
		return missing("ClusterJDBCURL, CopyCommand and RoleARN")
	case c.Username == nil && !aws.Value(secretsEnabled(c.SecretsManagerConfiguration)):
		return missing("Username")
	}
	if err := noSecretsManager(c.SecretsManagerConfiguration); err != nil {
		return err
	}
	if err := p.rest(c.S3Configuration, false); err != nil {
		return err
	}
	s := c.S3Configuration
	if strings.Contains(aws.Value(s.Prefix), "!{") || aws.Value(s.ErrorOutputPrefix) != "" {
		return api.InvalidArgumentException("Prefix must not contain expressions, and ErrorOutputPrefix must be empty, for Redshift destinations.")
	}
	switch p.bucket.compression {
	case api.CompressionFormatUncompressed, api.CompressionFormatGzip:
	default:
		return api.InvalidArgumentException("Redshift's COPY does not read %s.", p.bucket.compression)
	}
	p.timing(kindRedshift, s.BufferingHints.SizeInMBs, s.BufferingHints.IntervalInSeconds, c.RetryOptions.DurationInSeconds, c.CloudWatchLoggingOptions)
	p.role = *c.RoleARN
	if *c.S3BackupMode == api.RedshiftS3BackupModeEnabled {
		if c.S3BackupConfiguration == nil {
			return api.InvalidArgumentException("S3BackupConfiguration must be specified when S3BackupMode is Enabled.")
		}
		p.backup, err = newBucketPlan(c.S3BackupConfiguration, "", false)
	}
	return err
}

func secretsEnabled(c *api.SecretsManagerConfiguration) *bool {
	if c == nil {
		return nil
	}
	return c.Enabled
}

func noSecretsManager(c *api.SecretsManagerConfiguration) error {
	if aws.Value(secretsEnabled(c)) {
		return api.InvalidArgumentException("Secrets Manager is not available in this version of Tule: specify the credentials themselves.")
	}
	return nil
}

// newBucketPlan checks how objects are to be written. Partitioned ones may be named by what
// is in their records.
func newBucketPlan(c *api.S3DestinationConfiguration, zone string, partitioned bool) (b *bucketPlan, err error) {
	if c.BucketARN == nil || c.RoleARN == nil {
		return nil, missing("RoleARN and BucketARN")
	}
	b = &bucketPlan{bucket: strings.TrimPrefix(*c.BucketARN, "arn:aws:s3:::"), role: *c.RoleARN, compression: aws.Value(c.CompressionFormat), zone: time.UTC, log: c.CloudWatchLoggingOptions}
	if e := c.EncryptionConfiguration; e != nil && e.KMSEncryptionConfig != nil {
		if e.NoEncryptionConfig != nil {
			return nil, api.InvalidArgumentException("Exactly one of NoEncryptionConfig and KMSEncryptionConfig may be specified.")
		}
		b.key = *e.KMSEncryptionConfig.AWSKMSKeyARN
	}
	if zone != "" {
		if b.zone, err = time.LoadLocation(zone); err != nil {
			return nil, api.InvalidArgumentException("CustomTimeZone %s is not a supported time zone.", zone)
		}
	}
	if b.prefix, err = parseTemplate(aws.Value(c.Prefix)); err != nil {
		return nil, err
	}
	if b.failures, err = parseTemplate(aws.Value(c.ErrorOutputPrefix)); err != nil {
		return nil, err
	}
	b.plain = b.prefix.plain()
	return b, b.check(partitioned, aws.Value(c.ErrorOutputPrefix) == "")
}

// check holds the prefixes against AWS's rules for them.
// https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
func (b *bucketPlan) check(partitioned, noFailures bool) error {
	keys := b.prefix.has(fromQuery) || b.prefix.has(fromLambda)
	switch {
	case b.prefix.has(errorType):
		return api.InvalidArgumentException("Prefix cannot contain !{firehose:error-output-type}.")
	case !b.plain && noFailures:
		return api.InvalidArgumentException("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions.")
	case !b.failures.plain() && !b.failures.has(errorType):
		return api.InvalidArgumentException("ErrorOutputPrefix must contain at least one instance of !{firehose:error-output-type} when it contains expressions.")
	case b.failures.has(fromQuery), b.failures.has(fromLambda):
		return api.InvalidArgumentException("ErrorOutputPrefix cannot contain keys of partitions.")
	case partitioned && !keys:
		return api.InvalidArgumentException("Prefix must contain !{partitionKeyFromQuery:...} or !{partitionKeyFromLambda:...} when Dynamic Partitioning is enabled.")
	case !partitioned && keys:
		return api.InvalidArgumentException("Dynamic Partitioning must be enabled for Prefix to contain keys of partitions.")
	}
	return nil
}
