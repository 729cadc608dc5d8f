package s3

import (
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// conditions are those of a request on an object that it reads.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html
type conditions struct {
	match, noneMatch        *string
	modifiedSince, notSince *time.Time
}

// check returns an error unless the conditions hold: of a copy's source or, where it is
// a plain read, «not modified».
func (c conditions) check(o *object, copying bool) error {
	prefix := ""
	if copying {
		prefix = "x-amz-copy-source-"
	}
	switch {
	case c.match != nil && !etagIn(*c.match, o.ETag):
		return errCondition(prefix + "If-Match")
	case c.match == nil && c.notSince != nil && o.Modified.After(c.notSince.Truncate(time.Second)):
		return errCondition(prefix + "If-Unmodified-Since")
	case c.noneMatch != nil && etagIn(*c.noneMatch, o.ETag):
		return notModified(o, copying, prefix+"If-None-Match")
	case c.noneMatch == nil && c.modifiedSince != nil && !o.Modified.After(c.modifiedSince.Truncate(time.Second)):
		return notModified(o, copying, prefix+"If-Modified-Since")
	}
	return nil
}

func notModified(o *object, copying bool, name string) error {
	if copying {
		return errCondition(name)
	}
	return aws.Errorf(304, "NotModified", "Not Modified").With(&struct {
		ETag         string    `aws:"ETag,header"`
		LastModified time.Time `aws:"Last-Modified,header"`
	}{quoted(o.ETag), o.Modified})
}

// etagIn reports whether a list of ETags, with quotes or without, has one, or all.
func etagIn(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one = strings.Trim(strings.TrimPrefix(one, "W/"), `"`); one == "*" || one == etag {
			return true
		}
	}
	return false
}

func quoted(etag string) string { return `"` + etag + `"` }

// writable returns an error unless what a write says of the object that is there holds.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func writable(key string, before *object, match, noneMatch *string) error {
	there := before != nil && !before.Marker
	switch {
	case noneMatch != nil && *noneMatch != "*":
		return errNotImplemented("If-None-Match")
	case noneMatch != nil && there:
		return errCondition("If-None-Match")
	case match != nil && !there:
		return errNoKey(key)
	case match != nil && !etagIn(*match, before.ETag):
		return errCondition("If-Match")
	}
	return nil
}

// A span is a range of an object's bytes.
type span struct {
	from, length int64
	// part says that a range was asked for: the answer is 206, even if it is all.
	part bool
}

// parseRange reads a Range header for an object of size bytes. What is no range of bytes,
// or several, means the whole, as on AWS.
func parseRange(header string, size int64) (span, error) {
	whole := span{0, size, false}
	text, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(text, "-")
	if !ok || !dash {
		return whole, nil
	}
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	bad := aws.Errorf(416, "InvalidRange", "The requested range is not satisfiable").With(&struct {
		RangeRequested   string
		ActualObjectSize int64
	}{header, size})
	if first == "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			return whole, nil
		}
		if n == 0 || size == 0 {
			return whole, bad
		}
		length := min(int64(n), size)
		return span{size - length, length, true}, nil
	}
	from, err := strconv.ParseUint(first, 10, 63)
	if err != nil {
		return whole, nil
	}
	to := uint64(size) - 1
	if last != "" {
		n, err := strconv.ParseUint(last, 10, 63)
		if err != nil || n < from {
			return whole, nil
		}
		to = min(n, to)
	}
	if from >= uint64(size) {
		return whole, bad
	}
	return span{int64(from), int64(to-from) + 1, true}, nil
}

// contentRange is the header that tells a range.
func (p span) contentRange(size int64) string {
	return "bytes " + strconv.FormatInt(p.from, 10) + "-" + strconv.FormatInt(p.from+p.length-1, 10) + "/" + strconv.FormatInt(size, 10)
}
