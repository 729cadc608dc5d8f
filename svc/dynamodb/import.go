package dynamodb

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	api "github.com/tule-cloud/tule/api/dynamodb"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

// What an import takes at once.
const (
	importBatch = 25      // items in a transaction
	importLine  = 4 << 20 // bytes in a line; an item of 400 KB may be longer as JSON
)

// importTable makes a table, which is filled in the background.
func (s *Service) importTable(ctx context.Context, in *api.ImportTableInput) (*api.ImportTableOutput, error) {
	if *in.InputFormat == api.InputFormatIon {
		return nil, missing("Imports of Ion files")
	}
	if in.InputFormatOptions != nil && in.InputFormatOptions.Csv != nil && *in.InputFormat != api.InputFormatCsv {
		return nil, value.Invalid("InputFormatOptions can only be specified when InputFormat is CSV")
	}
	c := in.TableCreationParameters
	at, err := own(ctx, c.TableName)
	if err != nil {
		return nil, err
	}
	rec, err := s.newTransfer(ctx, in.ClientToken)
	if err != nil {
		return nil, err
	}
	rec.Table, rec.Format, rec.Creation, rec.Options = at.name, *in.InputFormat, c, in.InputFormatOptions
	rec.Bucket, rec.Owner, rec.Prefix = *in.S3BucketSource.S3Bucket, aws.Value(in.S3BucketSource.S3BucketOwner), aws.Value(in.S3BucketSource.S3KeyPrefix)
	if rec.Compression = api.InputCompressionTypeNone; in.InputCompressionType != nil {
		rec.Compression = *in.InputCompressionType
	}
	before, err := s.importAsked(ctx, at, in.ClientToken)
	if err != nil {
		return nil, err
	}
	if before != nil {
		if before.Bucket != rec.Bucket || before.Prefix != rec.Prefix || before.Format != rec.Format {
			return nil, api.ImportConflictException("Import with the same client token but different parameters exists")
		}
		return &api.ImportTableOutput{ImportTableDescription: before.imported(at.scope)}, nil
	}
	made, err := s.createTable(ctx, &api.CreateTableInput{TableName: c.TableName, AttributeDefinitions: c.AttributeDefinitions, KeySchema: c.KeySchema,
		BillingMode: c.BillingMode, ProvisionedThroughput: c.ProvisionedThroughput, OnDemandThroughput: c.OnDemandThroughput,
		GlobalSecondaryIndexes: c.GlobalSecondaryIndexes, SSESpecification: c.SSESpecification})
	if err != nil {
		return nil, err
	}
	rec.TableID = *made.TableDescription.TableId
	if err := s.store.Update(ctx, func(tx store.Tx) error { return importRecords.Put(tx, at.scope, rec, at.name, rec.ID) }); err != nil {
		return nil, err
	}
	return &api.ImportTableOutput{ImportTableDescription: rec.imported(at.scope)}, nil
}

func (s *Service) importAsked(ctx context.Context, at ref, token *string) (found *transfer, err error) {
	err = s.store.View(ctx, func(r store.Reader) error {
		found, err = asked(ctx, r, importRecords, at, token, s.clock.Now())
		return err
	})
	return found, err
}

// imported is an import as answers show it.
func (t *transfer) imported(scope store.Scope) *api.ImportTableDescription {
	arn := ref{scope, t.Table}.arn()
	out := &api.ImportTableDescription{ImportArn: t.arn(scope, "import"), ImportStatus: &t.Status, TableArn: &arn, TableId: &t.TableID, ClientToken: optional(t.Token),
		S3BucketSource: t.source(), InputFormat: &t.Format, InputFormatOptions: t.Options, InputCompressionType: &t.Compression, TableCreationParameters: t.Creation,
		StartTime: &t.Started, ErrorCount: &t.Errors, ImportedItemCount: &t.Items, ProcessedItemCount: &t.Processed, ProcessedSizeBytes: &t.Bytes,
		FailureCode: optional(t.FailureCode), FailureMessage: optional(t.Failure)}
	if !t.Ended.IsZero() {
		out.EndTime = &t.Ended
	}
	return out
}

func (t *transfer) source() *api.S3BucketSource {
	return &api.S3BucketSource{S3Bucket: &t.Bucket, S3BucketOwner: optional(t.Owner), S3KeyPrefix: optional(t.Prefix)}
}

func (s *Service) describeImport(ctx context.Context, in *api.DescribeImportInput) (*api.DescribeImportOutput, error) {
	at, id, ok := parseTransfer(in.ImportArn, "import")
	if req := aws.RequestOf(ctx); !ok || at.scope.Account != req.Account() || at.scope.Region != req.Region {
		return nil, api.ImportNotFoundException("Import not found: %s", *in.ImportArn)
	}
	var t transfer
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		t, err = importRecords.Get(ctx, r, at.scope, at.name, id)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.ImportNotFoundException("Import not found: %s", *in.ImportArn)
	}
	if err != nil {
		return nil, err
	}
	return &api.DescribeImportOutput{ImportTableDescription: t.imported(at.scope)}, nil
}

func (s *Service) listImports(ctx context.Context, in *api.ListImportsInput) (*api.ListImportsOutput, error) {
	out := &api.ListImportsOutput{ImportSummaryList: []api.ImportSummary{}}
	var err error
	out.NextToken, err = s.listTransfers(ctx, importRecords, in.TableArn, in.PageSize, in.NextToken, func(scope store.Scope, t *transfer) {
		d := t.imported(scope)
		out.ImportSummaryList = append(out.ImportSummaryList, api.ImportSummary{ImportArn: d.ImportArn, ImportStatus: d.ImportStatus, TableArn: d.TableArn,
			InputFormat: d.InputFormat, S3BucketSource: d.S3BucketSource, StartTime: d.StartTime, EndTime: d.EndTime})
	})
	return out, err
}

// An importer reads files from a bucket into a table.
type importer struct {
	s     *Service
	t     *transfer
	at    ref
	ctx   context.Context // the one who asked
	batch []*write
}

// takeIn reads all objects below the prefix, in their order. Items that are no items of
// the table are counted, and left out; one that comes again replaces the one before.
func (s *Service) takeIn(ctx context.Context, scope store.Scope, rec *transfer) error {
	im := &importer{s: s, t: rec, at: ref{scope, rec.Table}, ctx: ctx}
	in := &s3api.ListObjectsV2Request{Bucket: &rec.Bucket, Prefix: optional(rec.Prefix), ExpectedBucketOwner: optional(rec.Owner)}
	for n := 0; ; {
		page, err := s3api.ListObjectsV2.Do(ctx, s.peers, in)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			if strings.HasSuffix(aws.Value(o.Key), "/") {
				continue
			}
			n++
			if err := im.object(o.Key); err != nil {
				return err
			}
		}
		if in.ContinuationToken = page.NextContinuationToken; in.ContinuationToken == nil {
			if n == 0 {
				return aws.Errorf(404, "NoSuchKey", "The specified key does not exist.")
			}
			return im.flush()
		}
	}
}

func (im *importer) object(key *string) error {
	out, err := s3api.GetObject.Do(im.ctx, im.s.peers, &s3api.GetObjectRequest{Bucket: &im.t.Bucket, Key: key, ExpectedBucketOwner: optional(im.t.Owner)})
	if err != nil || out.Body == nil {
		return err
	}
	defer out.Body.Close()
	var r io.Reader = out.Body
	switch im.t.Compression {
	case api.InputCompressionTypeGzip:
		if r, err = gzip.NewReader(out.Body); err != nil {
			return badFile(*key, err)
		}
	case api.InputCompressionTypeZstd:
		d, err := zstd.NewReader(out.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
		if err != nil {
			return badFile(*key, err)
		}
		defer d.Close()
		r = d
	}
	if im.t.Format == api.InputFormatCsv {
		return im.table(*key, r)
	}
	return im.lines(*key, r)
}

// badFile ends an import with a file that cannot be read.
func badFile(key string, err error) error {
	return value.Invalid("The file %s cannot be read: %v", key, err).Because(err)
}

// lines reads items as DynamoDB's JSON, one a line.
func (im *importer) lines(key string, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), importLine)
	for lines.Scan() {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var line struct{ Item api.Item }
		if err := json.Unmarshal(text, &line); err != nil {
			line.Item = nil
		}
		if err := im.add(line.Item, len(text)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return badFile(key, err)
	}
	return nil
}

// table reads items as rows of a table, whose head is its first unless the caller has
// given one. All are texts, but for key attributes of other types.
func (im *importer) table(key string, r io.Reader) error {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord, rows.ReuseRecord = -1, true
	var head []string
	if o := im.t.Options; o != nil && o.Csv != nil {
		head = o.Csv.HeaderList
		if d := aws.Value(o.Csv.Delimiter); d != "" {
			rows.Comma = rune(d[0])
		}
	}
	types := map[string]string{}
	for _, d := range im.t.Creation.AttributeDefinitions {
		types[aws.Value(d.AttributeName)] = aws.Value(d.AttributeType)
	}
	for from := int64(0); ; from = rows.InputOffset() {
		row, err := rows.Read()
		var wrong *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			row = nil
		case err != nil:
			return badFile(key, err)
		case head == nil:
			head = append(head, row...)
			continue
		}
		if err := im.add(rowItem(head, row, types), int(rows.InputOffset()-from)); err != nil {
			return err
		}
	}
}

// rowItem is a row as an item, nil if it does not fit its head.
func rowItem(head, row []string, types map[string]string) api.Item {
	if len(row) != len(head) {
		return nil
	}
	fields := make(map[string]json.RawMessage, len(row))
	for i, name := range head {
		kind := types[name]
		if kind == "" {
			kind = "S"
		}
		v, err := json.Marshal(map[string]string{kind: row[i]})
		if err != nil {
			return nil
		}
		fields[name] = v
	}
	text, err := json.Marshal(fields)
	var it api.Item
	if err != nil || it.UnmarshalJSON(text) != nil {
		return nil
	}
	return it
}

// add takes an item, nil for what is none.
func (im *importer) add(it api.Item, size int) error {
	im.t.Processed++
	im.t.Bytes += int64(size)
	w := &write{verb: put, free: true, at: im.at, item: it}
	if it == nil || w.prepare() != nil {
		im.t.Errors++
		return nil
	}
	if im.batch = append(im.batch, w); len(im.batch) < importBatch {
		return nil
	}
	return im.flush()
}

// flush writes a batch: together, or else, to find out which of them are no items of the
// table, one by one.
func (im *importer) flush() error {
	batch := im.batch
	im.batch = nil
	if len(batch) == 0 {
		return nil
	}
	err := im.s.commit(im.ctx, batch...)
	if err == nil {
		im.t.Items += int64(len(batch))
		return nil
	}
	for _, w := range batch {
		err := im.s.commit(im.ctx, w)
		var e *aws.Error
		switch {
		case err == nil:
			im.t.Items++
		case errors.As(err, &e) && e.Code == "ValidationException":
			im.t.Errors++
		default:
			return err
		}
	}
	return nil
}
