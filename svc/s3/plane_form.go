package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"reflect"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
)

// formPlane takes files from HTML forms: a POST of multipart/form-data to a bucket.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
func (s *Service) formPlane() aws.Plane {
	return aws.Plane{Name: "s3-form", Handler: http.HandlerFunc(s.serveForm), Match: func(r *http.Request) bool {
		if r.Method != http.MethodPost || r.URL.RawQuery != "" || !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
			return false
		}
		b, key := s.addressed(r)
		return b != nil && key == ""
	}}
}

// maxFields is how long a form may be without its file.
const maxFields = 20 << 10

// A form is one on its way in.
type form struct {
	s      *Service
	ctx    context.Context
	bucket string
	fields url.Values // by names in lower case
	name   string     // of the file
	file   io.Reader
	key    string
	put    *api.PutObjectOutput
}

type postedKey struct{}

func (s *Service) serveForm(w http.ResponseWriter, r *http.Request) {
	req := aws.RequestOf(r.Context())
	h := w.Header()
	h.Set("Server", "AmazonS3")
	h.Set("X-Amz-Request-Id", req.ID)
	h.Set("X-Amz-Id-2", hostID(req.ID))
	b, _ := s.addressed(r)
	if b == nil {
		sendFault(w, req.ID, errNoBucket(r.URL.Path))
		return
	}
	if r.Header.Get("Origin") != "" {
		if own, err := s.CORS(r); err == nil {
			for k, v := range own {
				h[k] = v
			}
		}
	}
	f := &form{s: s, ctx: context.WithValue(r.Context(), postedKey{}, true), bucket: b.Name, fields: url.Values{}}
	if err := f.take(r); err != nil {
		s.logFault(r, err)
		sendFault(w, req.ID, err)
		return
	}
	f.answer(w, req)
}

// take reads a form up to its file, asks whether it may come, and stores the file.
func (f *form) take(r *http.Request) error {
	if err := f.read(r); err != nil {
		return err
	}
	if !f.fields.Has("key") {
		return errArgument("Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.", "key", "")
	}
	asked := f.fields.Get("key")
	f.key = strings.ReplaceAll(asked, "${filename}", f.name)
	f.fields.Set("key", f.key)
	req := *aws.RequestOf(f.ctx)
	req.Caller = aws.Caller{Kind: aws.Anonymous}
	body := f.file
	if text := f.fields.Get("policy"); text != "" {
		p, err := parseFormPolicy(text)
		if err != nil {
			return err
		}
		if f.s.Vouch == nil {
			return errDenied()
		}
		if req.Caller, err = f.s.Vouch(f.ctx, f.fields); err != nil {
			return err
		}
		if err := p.check(f.fields, f.bucket, asked, f.s.Clock.Now()); err != nil {
			return err
		}
		body = &bounded{r: f.file, least: p.least, most: p.most}
	}
	in, err := f.request()
	if err != nil {
		return err
	}
	in.Body = body
	f.ctx = aws.WithRequest(f.ctx, &req)
	f.put, err = api.PutObject.Do(f.ctx, f.s.Peers, in)
	return err
}

// read takes the fields before the file.
func (f *form) read(r *http.Request) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return aws.Errorf(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	left := maxFields
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return errArgument("POST requires exactly one file upload per request.", "file", "0")
		}
		if err != nil {
			return aws.Errorf(400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.").Because(err)
		}
		field := strings.ToLower(part.FormName())
		if field == "file" {
			f.file = part
			_, disposition, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
			if name := disposition["filename"]; name != "" {
				f.name = path.Base(strings.ReplaceAll(name, `\`, "/"))
			}
			if !f.fields.Has("content-type") && part.Header.Get("Content-Type") != "" && f.fields.Get("policy") == "" {
				f.fields.Set("content-type", part.Header.Get("Content-Type"))
			}
			return nil
		}
		value, err := io.ReadAll(io.LimitReader(part, int64(left)+1))
		if err != nil {
			return aws.Errorf(400, "IncompleteBody", "The request body terminated unexpectedly").Because(err)
		}
		if left -= len(value) + len(field); left < 0 {
			return aws.Errorf(400, "MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.").
				With(&struct{ MaxPostPreDataLengthBytes int }{maxFields})
		}
		f.fields.Set(field, string(value))
	}
}

// request is the operation that stores the file.
func (f *form) request() (*api.PutObjectRequest, error) {
	in := &api.PutObjectRequest{Bucket: &f.bucket, Key: &f.key}
	for name, to := range map[string]**string{
		"acl": &in.ACL, "cache-control": &in.CacheControl, "content-type": &in.ContentType, "content-disposition": &in.ContentDisposition,
		"content-encoding": &in.ContentEncoding, "content-language": &in.ContentLanguage, "expires": &in.Expires, "content-md5": &in.ContentMD5,
		"x-amz-acl": &in.ACL, "x-amz-storage-class": &in.StorageClass, "x-amz-website-redirect-location": &in.WebsiteRedirectLocation,
		"x-amz-server-side-encryption":                    &in.ServerSideEncryption,
		"x-amz-server-side-encryption-aws-kms-key-id":     &in.SSEKMSKeyId,
		"x-amz-server-side-encryption-context":            &in.SSEKMSEncryptionContext,
		"x-amz-server-side-encryption-customer-algorithm": &in.SSECustomerAlgorithm,
		"x-amz-server-side-encryption-customer-key":       &in.SSECustomerKey,
		"x-amz-server-side-encryption-customer-key-md5":   &in.SSECustomerKeyMD5,
		"x-amz-checksum-algorithm":                        &in.ChecksumAlgorithm,
		"x-amz-checksum-crc32":                            &in.ChecksumCRC32, "x-amz-checksum-crc32c": &in.ChecksumCRC32C, "x-amz-checksum-crc64nvme": &in.ChecksumCRC64NVME,
		"x-amz-checksum-sha1": &in.ChecksumSHA1, "x-amz-checksum-sha256": &in.ChecksumSHA256,
	} {
		if v := f.fields.Get(name); v != "" {
			*to = &v
		}
	}
	for name := range f.fields {
		if meta, ok := strings.CutPrefix(name, "x-amz-meta-"); ok {
			if in.Metadata == nil {
				in.Metadata = map[string]string{}
			}
			in.Metadata[meta] = f.fields.Get(name)
		}
	}
	return in, f.tags(in)
}

// tags reads the field «tagging», which is XML, into the header's form.
func (f *form) tags(in *api.PutObjectRequest) error {
	text := f.fields.Get("tagging")
	if text == "" {
		return nil
	}
	var doc struct {
		Tags []struct {
			Key   string `xml:"Key"`
			Value string `xml:"Value"`
		} `xml:"TagSet>Tag"`
	}
	if xml.Unmarshal([]byte(text), &doc) != nil {
		return errMalformed()
	}
	v := url.Values{}
	for _, t := range doc.Tags {
		v.Add(t.Key, t.Value)
	}
	header := v.Encode()
	in.Tagging = &header
	return nil
}

// bounded is a file whose length the form's policy bounds.
type bounded struct {
	r           io.Reader
	n           int64
	least, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.most >= 0 && b.n > b.most {
		return 0, aws.Errorf(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
			With(&struct{ ProposedSize, MaxSizeAllowed int64 }{b.n, b.most})
	}
	if err == io.EOF && b.n < b.least {
		return 0, aws.Errorf(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
			With(&struct{ ProposedSize, MinSizeAllowed int64 }{b.n, b.least})
	}
	return n, err
}

// answer tells what was stored, in the way that the form asks for.
func (f *form) answer(w http.ResponseWriter, req *aws.Request) {
	h := w.Header()
	where := req.Scheme + "://" + req.Host + "/" + escapePath(f.key)
	if folder, ok := Within(strings.ToLower(strings.Split(req.Host, ":")[0])); !ok || folder == "" {
		where = req.Scheme + "://" + req.Host + "/" + f.bucket + "/" + escapePath(f.key)
	}
	etag := aws.Value(f.put.ETag)
	h.Set("ETag", etag)
	for name, v := range map[string]*string{"X-Amz-Version-Id": f.put.VersionId, "X-Amz-Server-Side-Encryption": f.put.ServerSideEncryption,
		"X-Amz-Expiration": f.put.Expiration} {
		if v != nil {
			h.Set(name, *v)
		}
	}
	to := f.fields.Get("success_action_redirect")
	if to == "" {
		to = f.fields.Get("redirect")
	}
	if u, err := url.Parse(to); err == nil && to != "" && (u.Scheme == "http" || u.Scheme == "https") {
		q := u.Query()
		q.Set("bucket", f.bucket)
		q.Set("key", f.key)
		q.Set("etag", etag)
		u.RawQuery = q.Encode()
		h.Set("Location", u.String())
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	h.Set("Location", where)
	switch f.fields.Get("success_action_status") {
	case "200":
		w.WriteHeader(http.StatusOK)
	case "201":
		body, err := xml.Marshal(struct {
			XMLName                     xml.Name `xml:"PostResponse"`
			Location, Bucket, Key, ETag string
		}{Location: where, Bucket: f.bucket, Key: f.key, ETag: etag})
		if err != nil {
			sendFault(w, req.ID, err)
			return
		}
		h.Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, "%s%s", xml.Header, body)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// logFault tells the operator of errors that are not the caller's.
func (s *Service) logFault(r *http.Request, err error) {
	var e *aws.Error
	if !errors.As(err, &e) {
		s.Logger.Error("a form could not be taken", "path", r.URL.Path, "error", err)
	}
}

// sendFault answers with an error, as S3's API does.
func sendFault(w http.ResponseWriter, requestID string, err error) {
	var e *aws.Error
	if !errors.As(err, &e) {
		e = aws.InternalFailure(err)
		e.Code = "InternalError"
	}
	code := e.Code
	if code == "AccessDeniedException" {
		code = "AccessDenied"
	}
	var b strings.Builder
	b.WriteString(xml.Header + "<Error>")
	leaf(&b, "Code", code)
	leaf(&b, "Message", e.Message)
	if v := reflect.Indirect(reflect.ValueOf(e.Detail)); v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			leaf(&b, v.Type().Field(i).Name, fmt.Sprint(v.Field(i).Interface()))
		}
	}
	leaf(&b, "RequestId", requestID)
	leaf(&b, "HostId", hostID(requestID))
	b.WriteString("</Error>")
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, b.String())
}

func leaf(b *strings.Builder, name, value string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(value)) // a strings.Builder takes all
	b.WriteString("</" + name + ">")
}
