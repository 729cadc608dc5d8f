package sam

import (
	"net/url"
	"regexp"
	"strings"
)

const (
	zipped  = "Zip"
	imaged  = "Image"
	codeURI = "CodeUri"
)

// code is where the function's code is.
func (f *function) code() *dict {
	kind := f.get("PackageType")
	if !truthy(kind) {
		kind = zipped
	}
	switch text(kind) {
	case zipped:
	case imaged:
		if f.get("ImageUri") == nil {
			f.bad("'ImageUri' must be set.")
		}
		if !truthy(f.get("ImageUri")) {
			f.bad("'ImageUri' requires that a image hosted at a registry be specified.")
		}
		return object(pair{"ImageUri", f.get("ImageUri")})
	default:
		f.bad("invalid 'PackageType' : %s", str(kind))
	}
	var out *dict
	switch {
	case f.get("InlineCode") != nil:
		out = object(pair{"ZipFile", f.get("InlineCode")})
	case f.get(codeURI) != nil:
		out = s3Object(f.get(codeURI), f.id, codeURI)
	default:
		f.bad("Only one of 'InlineCode' or 'CodeUri' can be set.")
	}
	if k := f.get("SourceKMSKeyArn"); truthy(k) {
		out.set("SourceKMSKeyArn", k)
	}
	return out
}

func (f *function) checkPackage(r *resource) {
	if is(r.get("PackageType"), imaged) {
		if truthy(r.get("Handler")) || truthy(r.get("Runtime")) || truthy(r.get("Layers")) {
			f.bad("Runtime, Handler, Layers cannot be present when PackageType is of type `Image`")
		}
		return
	}
	if !truthy(r.get("Runtime")) || !truthy(r.get("Handler")) {
		f.bad("Runtime and Handler needs to be present when PackageType is of type `Zip`")
	}
	if truthy(r.get("ImageConfig")) {
		f.bad("ImageUri or ImageConfig cannot be present when PackageType is of type `Zip`")
	}
}

// parseS3 is the object that a URI of S3's names, nil if it names none.
func parseS3(v any) *dict {
	t, ok := textOf(v)
	rest, s3 := strings.CutPrefix(t, "s3://")
	if !ok || !s3 {
		return nil
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	bucket, path, slash := strings.Cut(rest, "/")
	if bucket == "" || !slash || strings.ContainsAny(bucket, "[]") {
		return nil
	}
	mark := isMarked(v)
	out := object(pair{"Bucket", like(mark, bucket)}, pair{"Key", like(mark, strings.TrimLeft(path, "/"))})
	if q, err := url.ParseQuery(query); err == nil && len(q["versionId"]) == 1 && q.Get("versionId") != "" {
		out.set("Version", like(mark, q.Get("versionId")))
	}
	return out
}

var secret = regexp.MustCompile(`\{\{resolve:(ssm|ssm-secure|secretsmanager):[a-zA-Z0-9_.\-/]+(:\d+)?\}\}`)

// s3Object is an object of S3 as functions and layers name it.
func s3Object(v any, id, property string) *dict {
	from, ok := v.(*dict)
	if ok {
		if !truthy(from.get("Bucket")) || !truthy(from.get("Key")) {
			badResource(id, "'%s' requires Bucket and Key properties to be specified.", property)
		}
	} else if t, ok := textOf(v); !ok {
		badResource(id, "'%s' must be of type dict or string.", property)
	} else {
		if strings.Contains(secret.FindString(t), "/") {
			badResource(id, "Unsupported dynamic reference detected in '%s'. Please consider using alternative 'FunctionCode' object format.", property)
		}
		if from = parseS3(v); from == nil {
			badResource(id, "'%s' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter.", property)
		}
	}
	out := object(pair{"S3Bucket", from.get("Bucket")}, pair{"S3Key", from.get("Key")})
	if from.has("Version") {
		out.set("S3ObjectVersion", from.get("Version"))
	}
	if from.has("StorageMode") {
		out.set("S3ObjectStorageMode", from.get("StorageMode"))
	}
	return out
}
