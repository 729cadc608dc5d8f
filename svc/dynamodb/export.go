package dynamodb

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// exportFile is how large the files of an export become, in bytes, compressed.
const exportFile = 8 << 20

// updateContinuousBackups keeps whether a table can be exported. Nothing of the past is kept.
func (s *Service) updateContinuousBackups(ctx context.Context, in *api.UpdateContinuousBackupsInput) (*api.UpdateContinuousBackupsOutput, error) {
	at, err := own(ctx, in.TableName)
	if err != nil {
		return nil, err
	}
	var next table
	err = s.alter(ctx, func(tx store.Tx) error {
		t, err := s.lookup(ctx, tx, at)
		if errors.Is(err, store.ErrNotFound) {
			return api.TableNotFoundException("Table not found: %s", at.name)
		}
		if err != nil {
			return err
		}
		next = *t
		spec := in.PointInTimeRecoverySpecification
		if !aws.Value(spec.PointInTimeRecoveryEnabled) {
			next.Recovery = nil
		} else {
			r := recovery{Since: s.clock.Now(), Days: 35}
			if t.Recovery != nil {
				r = *t.Recovery
			}
			if spec.RecoveryPeriodInDays != nil {
				r.Days = *spec.RecoveryPeriodInDays
			}
			next.Recovery = &r
		}
		return next.save(tx, at)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateContinuousBackupsOutput{ContinuousBackupsDescription: s.backups(&next)}, nil
}

// recovery says that point-in-time recovery is on.
type recovery struct {
	Since time.Time
	Days  int32
}

func (s *Service) backups(t *table) *api.ContinuousBackupsDescription {
	status := api.PointInTimeRecoveryStatusDisabled
	d := &api.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: &status}
	if r := t.Recovery; r != nil {
		status = api.PointInTimeRecoveryStatusEnabled
		now := s.clock.Now()
		earliest := r.Since
		if oldest := now.AddDate(0, 0, -int(r.Days)); oldest.After(earliest) {
			earliest = oldest
		}
		d.RecoveryPeriodInDays, d.EarliestRestorableDateTime, d.LatestRestorableDateTime = &r.Days, &earliest, &now
	}
	enabled := api.ContinuousBackupsStatusEnabled
	return &api.ContinuousBackupsDescription{ContinuousBackupsStatus: &enabled, PointInTimeRecoveryDescription: d}
}

func (s *Service) exportTable(ctx context.Context, in *api.ExportTableToPointInTimeInput) (*api.ExportTableToPointInTimeOutput, error) {
	at, err := own(ctx, in.TableArn)
	if err != nil {
		return nil, err
	}
	if in.IncrementalExportSpecification != nil || aws.Value(in.ExportType) == api.ExportTypeIncrementalExport {
		return nil, missing("Incremental exports")
	}
	now := s.clock.Now()
	if in.ExportTime != nil && in.ExportTime.After(now) {
		return nil, api.InvalidExportTimeException("ExportTime cannot be in the future")
	}
	if in.ExportTime != nil && now.Sub(*in.ExportTime) > 5*time.Minute {
		return nil, missing("Exports of a table's past")
	}
	rec, err := s.newTransfer(ctx, in.ClientToken)
	if err != nil {
		return nil, err
	}
	rec.Table, rec.Bucket, rec.Owner, rec.Prefix = at.name, *in.S3Bucket, aws.Value(in.S3BucketOwner), aws.Value(in.S3Prefix)
	rec.Format, rec.Encryption, rec.Key, rec.ExportTime = api.ExportFormatDynamodbJson, aws.Value(in.S3SseAlgorithm), aws.Value(in.S3SseKmsKeyId), now
	if in.ExportFormat != nil {
		rec.Format = *in.ExportFormat
	}
	if in.ExportTime != nil {
		rec.ExportTime = *in.ExportTime
	}
	err = s.store.Update(ctx, func(tx store.Tx) error {
		t, err := s.lookup(ctx, tx, at)
		if errors.Is(err, store.ErrNotFound) {
			return api.TableNotFoundException("Table not found: %s", at.name)
		}
		if err != nil {
			return err
		}
		if t.Recovery == nil {
			return api.PointInTimeRecoveryUnavailableException("Point in time recovery is not enabled for table '%s'", at.name)
		}
		before, err := asked(ctx, tx, exportRecords, at, in.ClientToken, now)
		if err != nil {
			return err
		}
		if before != nil {
			if before.Bucket != rec.Bucket || before.Prefix != rec.Prefix || before.Format != rec.Format {
				return api.ExportConflictException("Export with the same client token but different parameters exists")
			}
			rec = *before
			return nil
		}
		rec.TableID = t.ID
		return exportRecords.Put(tx, at.scope, rec, at.name, rec.ID)
	})
	if err != nil {
		return nil, err
	}
	return &api.ExportTableToPointInTimeOutput{ExportDescription: rec.exported(at.scope)}, nil
}

// exported is an export as answers show it.
func (t *transfer) exported(scope store.Scope) *api.ExportDescription {
	arn, kind := ref{scope, t.Table}.arn(), api.ExportTypeFullExport
	out := &api.ExportDescription{ExportArn: t.arn(scope, "export"), ExportStatus: &t.Status, StartTime: &t.Started, TableArn: &arn, TableId: &t.TableID,
		ExportTime: &t.ExportTime, S3Bucket: &t.Bucket, ExportFormat: &t.Format, ExportType: &kind, ClientToken: optional(t.Token),
		S3BucketOwner: optional(t.Owner), S3Prefix: optional(t.Prefix), S3SseAlgorithm: optional(t.Encryption), S3SseKmsKeyId: optional(t.Key),
		FailureCode: optional(t.FailureCode), FailureMessage: optional(t.Failure)}
	if !t.Ended.IsZero() {
		out.EndTime = &t.Ended
	}
	if t.Status == api.ExportStatusCompleted {
		manifest := t.place("manifest-summary.json")
		out.ExportManifest, out.ItemCount, out.BilledSizeBytes = &manifest, &t.Items, &t.Bytes
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// place is the key of an object of an export.
func (t *transfer) place(name string) string {
	prefix := t.Prefix
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return prefix + "AWSDynamoDB/" + t.ID + "/" + name
}

// parseTransfer reads a transfer's ARN; kind is export or import.
func parseTransfer(arn *string, kind string) (at ref, id string, ok bool) {
	a, ok := aws.ParseARN(aws.Value(arn))
	name, rest, cut := strings.Cut(strings.TrimPrefix(a.Resource, "table/"), "/"+kind+"/")
	return ref{store.Scope{Account: a.Account, Region: a.Region}, name}, rest, ok && cut && a.Service == "dynamodb" && strings.HasPrefix(a.Resource, "table/")
}

func (s *Service) describeExport(ctx context.Context, in *api.DescribeExportInput) (*api.DescribeExportOutput, error) {
	at, id, ok := parseTransfer(in.ExportArn, "export")
	if req := aws.RequestOf(ctx); !ok || at.scope.Account != req.Account() || at.scope.Region != req.Region {
		return nil, api.ExportNotFoundException("Export not found: %s", *in.ExportArn)
	}
	var t transfer
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		t, err = exportRecords.Get(ctx, r, at.scope, at.name, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ExportNotFoundException("Export not found: %s", *in.ExportArn)
	}
	if err != nil {
		return nil, err
	}
	return &api.DescribeExportOutput{ExportDescription: t.exported(at.scope)}, nil
}

// maxTransfers is how many transfers one answer lists.
const maxTransfers = 25

// listTransfers lists those of an account, or of one table.
func (s *Service) listTransfers(ctx context.Context, of store.Table[transfer], table *string, max *int32, token *string, show func(store.Scope, *transfer)) (next *string, err error) {
	req := aws.RequestOf(ctx)
	scope, o, limit := store.Scope{Account: req.Account(), Region: req.Region}, store.ListOptions{}, maxTransfers
	if table != nil {
		at, err := own(ctx, table)
		if err != nil {
			return nil, err
		}
		o.Prefix = []any{at.name}
	}
	if max != nil {
		limit = int(*max)
	}
	if token != nil {
		name, id, ok := strings.Cut(placeOf(*token), "/")
		if !ok {
			return nil, value.Invalid("Invalid NextToken")
		}
		o.After = []any{name, id}
	}
	err = s.store.View(ctx, func(r store.Reader) error {
		n, last := 0, ""
		for e, err := range of.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if n == limit {
				next = tokenOf(last)
				break
			}
			n++
			last = e.Record.Table + "/" + e.Record.ID
			show(scope, &e.Record)
		}
		return nil
	})
	return next, err
}

// tokenOf is a place in a list, in the form that AWS's model prescribes: many digits, a
// multiple of sixteen.
func tokenOf(place string) *string {
	size := max(56, (len(place)+7)/8*8)
	text := hex.EncodeToString(append([]byte(place), make([]byte, size-len(place))...))
	return &text
}

func placeOf(token string) string {
	b, err := hex.DecodeString(token)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(b), "\x00")
}

func (s *Service) listExports(ctx context.Context, in *api.ListExportsInput) (*api.ListExportsOutput, error) {
	out := &api.ListExportsOutput{ExportSummaries: []api.ExportSummary{}}
	var err error
	out.NextToken, err = s.listTransfers(ctx, exportRecords, in.TableArn, in.MaxResults, in.NextToken, func(scope store.Scope, t *transfer) {
		kind := api.ExportTypeFullExport
		out.ExportSummaries = append(out.ExportSummaries, api.ExportSummary{ExportArn: t.arn(scope, "export"), ExportStatus: &t.Status, ExportType: &kind})
	})
	return out, err
}

// An exporter writes a table's items to files in a bucket.
type exporter struct {
	s     *Service
	t     *transfer
	ctx   context.Context // the one who asked
	file  bytes.Buffer
	zip   *gzip.Writer
	items int64 // in the file
	files bytes.Buffer
	n     int
}

// export writes the table as it is now, then the manifests, as AWS lays them out.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
func (s *Service) export(ctx context.Context, scope store.Scope, rec *transfer) error {
	x := &exporter{s: s, t: rec, ctx: ctx}
	at := ref{scope, rec.Table}
	if _, err := x.put("_started", nil); err != nil {
		return err
	}
	err := s.store.View(ctx, func(r store.Reader) error {
		t, err := s.describe(ctx, r, at)
		if err != nil {
			return err
		}
		for e, err := range itemRecords.List(ctx, r, scope, store.ListOptions{Prefix: []any{t.Space}}) {
			if err != nil {
				return err
			}
			it, size, err := value.Decode(e.Record)
			if err != nil {
				return err
			}
			if err := x.add(it, size); err != nil {
				return err
			}
		}
		return x.flush()
	})
	if err != nil {
		return err
	}
	return x.manifests(at)
}

func (x *exporter) add(it api.Item, size int) error {
	if x.zip == nil {
		x.file.Reset()
		x.zip = gzip.NewWriter(&x.file)
	}
	line, err := exportLine(it, x.t.Format)
	if err != nil {
		return err
	}
	if _, err := x.zip.Write(line); err != nil {
		return err
	}
	x.items++
	x.t.Items++
	x.t.Bytes += int64(size)
	if x.file.Len() >= exportFile {
		return x.flush()
	}
	return nil
}

// exportLine is an item as a line of a file.
func exportLine(it api.Item, format string) ([]byte, error) {
	if format == api.ExportFormatIon {
		return append(appendIonItem([]byte("$ion_1_0 {Item:"), it), "}\n"...), nil
	}
	text, err := it.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return append(append([]byte(`{"Item":`), text...), "}\n"...), nil
}

// flush ends a file and notes it in the manifest.
func (x *exporter) flush() error {
	if x.zip == nil {
		return nil
	}
	if err := x.zip.Close(); err != nil {
		return err
	}
	x.zip = nil
	suffix := ".json.gz"
	if x.t.Format == api.ExportFormatIon {
		suffix = ".ion.gz"
	}
	name := fmt.Sprintf("data/%s%04d%s", strings.ReplaceAll(x.t.ID, "-", ""), x.n, suffix)
	etag, err := x.put(name, x.file.Bytes())
	if err != nil {
		return err
	}
	sum := md5.Sum(x.file.Bytes())
	err = json.NewEncoder(&x.files).Encode(struct {
		ItemCount     int64  `json:"itemCount"`
		MD5Checksum   string `json:"md5Checksum"`
		ETag          string `json:"etag"`
		DataFileS3Key string `json:"dataFileS3Key"`
	}{x.items, base64.StdEncoding.EncodeToString(sum[:]), etag, x.t.place(name)})
	x.n++
	x.items = 0
	return err
}

// put writes an object, as the one who asked.
func (x *exporter) put(name string, content []byte) (etag string, err error) {
	key, size := x.t.place(name), int64(len(content))
	in := &s3api.PutObjectRequest{Bucket: &x.t.Bucket, Key: &key, Body: bytes.NewReader(content), ContentLength: &size, ExpectedBucketOwner: optional(x.t.Owner)}
	if x.t.Encryption != "" {
		algorithm := "AES256"
		if x.t.Encryption == api.S3SseAlgorithmKms {
			algorithm = "aws:kms"
		}
		in.ServerSideEncryption, in.SSEKMSKeyId = &algorithm, optional(x.t.Key)
	}
	out, err := s3api.PutObject.Do(x.ctx, x.s.peers, in)
	if err != nil {
		return "", err
	}
	return strings.Trim(aws.Value(out.ETag), `"`), nil
}

// manifests ends an export: whoever finds the summary finds the rest.
func (x *exporter) manifests(at ref) error {
	const layout = "2006-01-02T15:04:05.000Z"
	encryption := x.t.Encryption
	if encryption == "" {
		encryption = api.S3SseAlgorithmAes256
	}
	summary, err := json.Marshal(struct {
		Version            string  `json:"version"`
		ExportArn          string  `json:"exportArn"`
		StartTime          string  `json:"startTime"`
		EndTime            string  `json:"endTime"`
		TableArn           string  `json:"tableArn"`
		TableID            string  `json:"tableId"`
		ExportTime         string  `json:"exportTime"`
		S3Bucket           string  `json:"s3Bucket"`
		S3Prefix           *string `json:"s3Prefix"`
		S3SseAlgorithm     string  `json:"s3SseAlgorithm"`
		S3SseKmsKeyID      *string `json:"s3SseKmsKeyId"`
		ManifestFilesS3Key string  `json:"manifestFilesS3Key"`
		BilledSizeBytes    int64   `json:"billedSizeBytes"`
		ItemCount          int64   `json:"itemCount"`
		OutputFormat       string  `json:"outputFormat"`
		ExportType         string  `json:"exportType"`
	}{"2020-06-30", *x.t.arn(at.scope, "export"), x.t.Started.UTC().Format(layout), x.s.clock.Now().UTC().Format(layout), at.arn(), x.t.TableID,
		x.t.ExportTime.UTC().Format(layout), x.t.Bucket, optional(x.t.Prefix), encryption, optional(x.t.Key), x.t.place("manifest-files.json"),
		x.t.Bytes, x.t.Items, x.t.Format, api.ExportTypeFullExport})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{"manifest-files", x.files.Bytes()}, {"manifest-summary", summary}} {
		sum := md5.Sum(f.text)
		if _, err := x.put(f.name+".md5", []byte(base64.StdEncoding.EncodeToString(sum[:]))); err != nil {
			return err
		}
		if _, err := x.put(f.name+".json", f.text); err != nil {
			return err
		}
	}
	return nil
}
