package front

import (
	"net"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// checkRegion refuses a signature for a region that is none, or for another than the
// one whose host name was called.
func (f *Front) checkRegion(c *call) error {
	want := f.hostRegion(c.r.Host)
	if c.sig.Version == 2 && want != "" {
		c.sig.Region = want
	}
	region := c.sig.Region
	switch {
	case !aws.ValidRegion(region):
		return badScope("Credential should be scoped to a valid region.")
	case !f.AnyRegion && !aws.KnownRegion(region):
		return badScope("Credential should be scoped to a valid region, not '" + region +
			"'. AWS has no such region; this Tule serves it when started with --any-region (ALLOW_NONSTANDARD_REGIONS=1).")
	}
	if want != "" && want != region {
		return badScope("Credential should be scoped to a valid region, not '" + region + "'. (This host is " + want + "'s.)")
	}
	return nil
}

func badScope(message string) error {
	return &sigv4.Error{Reason: sigv4.Mismatch, Message: message}
}

// hostRegion is the region in a host name of AWS's form, "" where it has none:
// dynamodb.eu-west-1.amazonaws.com, x.execute-api.eu-west-1.localhost.localstack.cloud.
// AWS's own names without a region are us-east-1's, but for S3's, which lead everywhere.
func (f *Front) hostRegion(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	amazon := strings.HasSuffix(host, ".amazonaws.com")
	if !amazon && !strings.HasSuffix(host, ".localhost.localstack.cloud") {
		return ""
	}
	labels := strings.Split(host, ".")
	for i := len(labels) - 3; i > 0; i-- { // the first label is a name that somebody chose
		if aws.KnownRegion(labels[i]) {
			return labels[i]
		}
	}
	if aws.KnownRegion(labels[0]) && len(labels) > 3 && f.host[labels[1]] != nil {
		return labels[0]
	}
	if amazon && len(labels) == 3 && f.host[labels[0]] != nil && labels[0] != "s3" {
		return "us-east-1"
	}
	return ""
}
