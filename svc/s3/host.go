package s3

import "strings"

// suffixes end the host names that lead to S3, after "s3" and what follows it.
var suffixes = []string{".amazonaws.com", ".amazonaws.com.cn", ".localhost.localstack.cloud", ".localhost"}

// Within says which bucket's a host is: "/photos" for photos.s3.eu-west-1.amazonaws.com,
// photos.s3-eu-west-1.amazonaws.com, photos.s3.localhost.localstack.cloud, and
// photos.localhost, which is what an SDK makes of http://localhost:4566. It is "" for
// S3's own hosts, and false for those that are not S3's. A bucket's name may have dots.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func Within(host string) (folder string, ok bool) {
	for _, suffix := range suffixes {
		name, ok := strings.CutSuffix(host, suffix)
		if !ok {
			continue
		}
		if bucket, ok := bucketOf(name); ok {
			return bucket, true
		}
		if suffix == ".localhost" && !strings.Contains(name, ".") {
			return "/" + name, true
		}
	}
	return "", false
}

// bucketOf takes "photos.s3.eu-west-1" apart. The last label that begins S3's own part
// counts: before it stands the bucket, which may be called "s3.backups".
func bucketOf(name string) (folder string, ok bool) {
	labels := strings.Split(name, ".")
	for i := len(labels) - 1; i >= max(0, len(labels)-3); i-- {
		if !endpoint(labels[i], labels[i+1:]) {
			continue
		}
		if i == 0 {
			return "", true
		}
		return "/" + strings.Join(labels[:i], "."), true
	}
	return "", false
}

// endpoint reports whether label and those after it are S3's own part of a host's name.
func endpoint(label string, rest []string) bool {
	if len(rest) > 0 && rest[0] == "dualstack" {
		rest = rest[1:]
	}
	switch {
	case label == "s3", label == "s3-fips":
		return len(rest) == 0 || len(rest) == 1 && isRegion(rest[0])
	case label == "s3-accelerate", label == "s3-external-1":
		return len(rest) == 0
	}
	region, ok := strings.CutPrefix(label, "s3-")
	return ok && len(rest) == 0 && isRegion(region) && !strings.HasPrefix(region, "website-")
}

// isRegion reports whether a label has the form of a region: "eu-west-1".
func isRegion(label string) bool {
	return strings.Count(label, "-") >= 2 && label[len(label)-1] >= '0' && label[len(label)-1] <= '9'
}
