package dynamodb

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	api "github.com/tule-cloud/tule/api/dynamodb"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// shed is S3 as small as can be: one bucket, "bucket".
type shed struct {
	mu      sync.Mutex
	objects map[string]string
	broken  bool
	asked   int
	who     string
}

func (s *shed) routes() []aws.Route {
	return []aws.Route{s3api.PutObject.To(s.put, aws.Nothing), s3api.GetObject.To(s.get, aws.Nothing), s3api.ListObjectsV2.To(s.list, aws.Nothing)}
}

func (s *shed) open(ctx context.Context, bucket string) error {
	s.asked++
	s.who = aws.RequestOf(ctx).Caller.ARN
	switch {
	case s.broken:
		return aws.Unavailable("not now")
	case bucket != "bucket":
		return aws.Errorf(404, "NoSuchBucket", "The specified bucket does not exist")
	}
	return nil
}

func (s *shed) put(ctx context.Context, in *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(ctx, *in.Bucket); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in.Body)
	s.objects[*in.Key] = string(text)
	etag := `"etag"`
	return &s3api.PutObjectOutput{ETag: &etag}, err
}

func (s *shed) get(ctx context.Context, in *s3api.GetObjectRequest) (*s3api.GetObjectOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(ctx, *in.Bucket); err != nil {
		return nil, err
	}
	return &s3api.GetObjectOutput{Body: io.NopCloser(strings.NewReader(s.objects[*in.Key]))}, nil
}

// list gives one key a page.
func (s *shed) list(ctx context.Context, in *s3api.ListObjectsV2Request) (*s3api.ListObjectsV2Output, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(ctx, *in.Bucket); err != nil {
		return nil, err
	}
	out := &s3api.ListObjectsV2Output{}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, aws.Value(in.Prefix)) || key <= aws.Value(in.ContinuationToken) {
			continue
		}
		if len(out.Contents) == 1 {
			out.NextContinuationToken = out.Contents[0].Key
			break
		}
		out.Contents = append(out.Contents, s3api.Object{Key: &key})
	}
	return out, nil
}

// A dock is a service that runs, with a shed.
type dock struct {
	t     *testing.T
	house *script.House
	shed  *shed
	s     *Service
	stop  func()
}

func newDock(t *testing.T) *dock {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	d := &dock{t: t, house: h, shed: &shed{objects: map[string]string{}}}
	h.Add(d.shed.routes())
	d.run()
	return d
}

func (d *dock) run() {
	d.s = New(Options{Store: d.house.Store, Clock: d.house.Clock, Random: d.house.Random, Peers: d.house})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.s.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			d.t.Error(err)
		}
	})
	d.t.Cleanup(func() { d.stop() })
}

func (d *dock) ctx() context.Context { return d.house.Context(d.t.Context()) }

// beside is ctx for those who run beside others.
func (d *dock) beside() context.Context {
	return aws.WithRequest(d.t.Context(), &aws.Request{Region: "us-east-1", Caller: aws.Caller{Kind: aws.Root, Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"}})
}

func (d *dock) until(what string, so func() bool) {
	d.t.Helper()
	for limit := time.Now().Add(20 * time.Second); !so(); runtime.Gosched() {
		if time.Now().After(limit) {
			d.t.Fatal(what, " does not come")
		}
	}
}

func text(s string) *string { return &s }

// table makes one with so many items.
func (d *dock) table(name string, n int) {
	d.t.Helper()
	_, err := d.s.createTable(d.ctx(), &api.CreateTableInput{TableName: &name, BillingMode: text("PAY_PER_REQUEST"),
		AttributeDefinitions: []api.AttributeDefinition{{AttributeName: text("id"), AttributeType: text("S")}}, KeySchema: []api.KeySchemaElement{{AttributeName: text("id"), KeyType: text("HASH")}}})
	if err != nil {
		d.t.Fatal(err)
	}
	yes := true
	if _, err := d.s.updateContinuousBackups(d.ctx(), &api.UpdateContinuousBackupsInput{TableName: &name, PointInTimeRecoverySpecification: &api.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: &yes}}); err != nil {
		d.t.Fatal(err)
	}
	for i := range n {
		var it api.Item
		if err := it.UnmarshalJSON(fmt.Appendf(nil, `{"id":{"S":"i%d"},"n":{"N":"%d"},"b":{"B":"AQI="},"s":{"SS":["a","b"]},"a b":{"M":{"l":{"L":[{"BOOL":true},{"NULL":true}]}}},"e":{"N":"1E+40"}}`, i, i)); err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.s.putItem(d.ctx(), &api.PutItemInput{TableName: &name, Item: it}); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *dock) items(name string) map[string]string {
	d.t.Helper()
	out, err := d.s.scan(d.ctx(), &api.ScanInput{TableName: &name})
	if err != nil {
		d.t.Fatal(err)
	}
	got := map[string]string{}
	for _, it := range out.Items {
		b, err := it.MarshalJSON()
		if err != nil {
			d.t.Fatal(err)
		}
		id, _ := it.Get("id")
		got[id.Text()] = string(b)
	}
	return got
}

func (d *dock) export(in api.ExportTableToPointInTimeInput) *api.ExportDescription {
	d.t.Helper()
	out, err := d.s.exportTable(d.ctx(), &in)
	if err != nil {
		d.t.Fatal(err)
	}
	var got *api.DescribeExportOutput
	d.until("the export", func() bool {
		if got, err = d.s.describeExport(d.ctx(), &api.DescribeExportInput{ExportArn: out.ExportDescription.ExportArn}); err != nil {
			d.t.Fatal(err)
		}
		return *got.ExportDescription.ExportStatus != api.ExportStatusInProgress
	})
	return got.ExportDescription
}

func (d *dock) imports(table string, in api.ImportTableInput) *api.ImportTableDescription {
	d.t.Helper()
	in.TableCreationParameters = &api.TableCreationParameters{TableName: &table, BillingMode: text("PAY_PER_REQUEST"),
		AttributeDefinitions: []api.AttributeDefinition{{AttributeName: text("id"), AttributeType: text("S")}}, KeySchema: []api.KeySchemaElement{{AttributeName: text("id"), KeyType: text("HASH")}}}
	out, err := d.s.importTable(d.ctx(), &in)
	if err != nil {
		d.t.Fatal(err)
	}
	var got *api.DescribeImportOutput
	d.until("the import", func() bool {
		if got, err = d.s.describeImport(d.ctx(), &api.DescribeImportInput{ImportArn: out.ImportTableDescription.ImportArn}); err != nil {
			d.t.Fatal(err)
		}
		return *got.ImportTableDescription.ImportStatus != api.ImportStatusInProgress
	})
	return got.ImportTableDescription
}

func inflated(t *testing.T, object string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What is exported can be imported, and lies where AWS lays it.
func TestExportImport(t *testing.T) {
	d := newDock(t)
	d.table("songs", 60)
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/songs"
	e := d.export(api.ExportTableToPointInTimeInput{TableArn: &arn, S3Bucket: text("bucket"), S3Prefix: text("some")})
	if *e.ExportStatus != api.ExportStatusCompleted || *e.ItemCount != 60 || d.shed.who != "arn:aws:iam::000000000000:root" {
		t.Fatalf("%s, %d items, by %s", *e.ExportStatus, *e.ItemCount, d.shed.who)
	}
	id := (*e.ExportArn)[strings.LastIndexByte(*e.ExportArn, '/')+1:]
	at := "some/AWSDynamoDB/" + id + "/"
	data := at + "data/" + strings.ReplaceAll(id, "-", "") + "0000.json.gz"
	if keys := slices.Sorted(maps.Keys(d.shed.objects)); !slices.Equal(keys, []string{at + "_started", data, at + "manifest-files.json", at + "manifest-files.md5", at + "manifest-summary.json", at + "manifest-summary.md5"}) || *e.ExportManifest != at+"manifest-summary.json" {
		t.Errorf("%q", keys)
	}
	if text := d.shed.objects[at+"manifest-files.json"]; !strings.HasPrefix(text, `{"itemCount":60,"md5Checksum":"`) || !strings.HasSuffix(text, `==","etag":"etag","dataFileS3Key":"`+data+`"}`+"\n") {
		t.Error(text)
	}
	if text := d.shed.objects[at+"manifest-summary.json"]; !strings.HasPrefix(text, `{"version":"2020-06-30","exportArn":"`+*e.ExportArn+`","startTime":"2026-01-02T03:04:05.000Z"`) || !strings.Contains(text, `"s3Prefix":"some","s3SseAlgorithm":"AES256","s3SseKmsKeyId":null`) {
		t.Error(text)
	}
	im := d.imports("again", api.ImportTableInput{InputFormat: text("DYNAMODB_JSON"), InputCompressionType: text("GZIP"), S3BucketSource: &api.S3BucketSource{S3Bucket: text("bucket"), S3KeyPrefix: text(at + "data/")}})
	if *im.ImportStatus != api.ImportStatusCompleted || *im.ImportedItemCount != 60 || *im.ErrorCount != 0 || !maps.Equal(d.items("songs"), d.items("again")) {
		t.Errorf("%s, %d items: %v", *im.ImportStatus, *im.ImportedItemCount, d.items("again"))
	}
	e = d.export(api.ExportTableToPointInTimeInput{TableArn: &arn, S3Bucket: text("bucket"), S3Prefix: text("ion"), ExportFormat: text("ION")})
	for key, object := range d.shed.objects {
		if strings.HasSuffix(key, ".ion.gz") && !strings.Contains(inflated(t, object), `$ion_1_0 {Item:{'a b':{l:[true,null]},b:{{AQI=}},e:10000000000000000000000000000000000000000.,id:"i7",n:7.,s:$dynamodb_SS::["a","b"]}}`+"\n") {
			t.Errorf("%s: %s", *e.ExportStatus, inflated(t, object))
		}
	}
}

// Rows of tables, in files of all sorts; what is no item is counted.
func TestImportRows(t *testing.T) {
	d := newDock(t)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	d.shed.objects["csv/1"] = string(z.EncodeAll([]byte("id;who\na;\"x;y\"\nb;\n;none\nc;d;e\n"), nil))
	d.shed.objects["csv/2"] = string(z.EncodeAll([]byte("id;who\nz;w\n"), nil))
	im := d.imports("rows", api.ImportTableInput{InputFormat: text("CSV"), InputCompressionType: text("ZSTD"), InputFormatOptions: &api.InputFormatOptions{Csv: &api.CsvOptions{Delimiter: text(";")}},
		S3BucketSource: &api.S3BucketSource{S3Bucket: text("bucket"), S3KeyPrefix: text("csv/")}})
	want := map[string]string{"a": `{"id":{"S":"a"},"who":{"S":"x;y"}}`, "b": `{"id":{"S":"b"},"who":{"S":""}}`, "z": `{"id":{"S":"z"},"who":{"S":"w"}}`}
	if got := d.items("rows"); !maps.Equal(got, want) || *im.ImportedItemCount != 3 || *im.ErrorCount != 2 || *im.ProcessedItemCount != 5 {
		t.Errorf("%v, %d errors of %d", got, *im.ErrorCount, *im.ProcessedItemCount)
	}
	d.shed.objects["json/1"] = `{"Item":{"id":{"S":"a"}}}` + "\n\nno\n" + `{"Item":{"id":{"N":"1"}}}` + "\n" + `{"other":1}` + "\n"
	im = d.imports("lines", api.ImportTableInput{InputFormat: text("DYNAMODB_JSON"), S3BucketSource: &api.S3BucketSource{S3Bucket: text("bucket"), S3KeyPrefix: text("json/")}})
	if len(d.items("lines")) != 1 || *im.ErrorCount != 3 || *im.ImportStatus != api.ImportStatusCompleted {
		t.Errorf("%v, %d errors", d.items("lines"), *im.ErrorCount)
	}
	for table, in := range map[string]api.ImportTableInput{
		"S3NoSuchBucket":      {InputFormat: text("CSV"), S3BucketSource: &api.S3BucketSource{S3Bucket: text("other")}},
		"S3NoSuchKey":         {InputFormat: text("CSV"), S3BucketSource: &api.S3BucketSource{S3Bucket: text("bucket"), S3KeyPrefix: text("none/")}},
		"ValidationException": {InputFormat: text("CSV"), InputCompressionType: text("GZIP"), S3BucketSource: &api.S3BucketSource{S3Bucket: text("bucket"), S3KeyPrefix: text("json/")}},
	} {
		if im := d.imports(table, in); *im.ImportStatus != api.ImportStatusFailed || aws.Value(im.FailureCode) != table {
			t.Errorf("%s: %s, %s", table, *im.ImportStatus, aws.Value(im.FailureCode))
		}
	}
}

// What a process has begun the next one ends.
func TestTransferSurvives(t *testing.T) {
	d := newDock(t)
	d.table("songs", 3)
	d.shed.broken = true
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/songs"
	out, err := d.s.exportTable(d.ctx(), &api.ExportTableToPointInTimeInput{TableArn: &arn, S3Bucket: text("bucket"), ClientToken: text("t")})
	if err != nil {
		t.Fatal(err)
	}
	d.until("a try", func() bool { d.shed.mu.Lock(); defer d.shed.mu.Unlock(); return d.shed.asked > 0 })
	d.stop()
	d.shed.broken = false
	d.run()
	again := d.export(api.ExportTableToPointInTimeInput{TableArn: &arn, S3Bucket: text("bucket"), ClientToken: text("t")})
	if *again.ExportArn != *out.ExportDescription.ExportArn || *again.ExportStatus != api.ExportStatusCompleted || *again.ItemCount != 3 {
		t.Error(*again.ExportArn, *again.ExportStatus)
	}
}

// FuzzImport looks for a file that stops an import, or the process.
func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"Item":{"id":{"S":"a"}}}`), false)
	f.Add([]byte("id,who\na,\"b\nc\"\n"), true)
	h := script.New()
	f.Cleanup(func() { h.Store.Close() })
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h})
	ctx := h.Context(context.Background())
	_, err := s.createTable(ctx, &api.CreateTableInput{TableName: text("fuzz"), BillingMode: text("PAY_PER_REQUEST"),
		AttributeDefinitions: []api.AttributeDefinition{{AttributeName: text("id"), AttributeType: text("S")}}, KeySchema: []api.KeySchemaElement{{AttributeName: text("id"), KeyType: text("HASH")}}})
	if err != nil {
		f.Fatal(err)
	}
	at, err := own(ctx, text("fuzz"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file []byte, rows bool) {
		im := &importer{s: s, at: at, ctx: ctx, t: &transfer{Creation: &api.TableCreationParameters{AttributeDefinitions: []api.AttributeDefinition{{AttributeName: text("id"), AttributeType: text("S")}}}}}
		read := im.lines
		if rows {
			read = im.table
		}
		if err := read("file", bytes.NewReader(file)); err != nil && aws.CodeOf(err) != "ValidationException" {
			t.Error(err)
		}
		if err := im.flush(); err != nil {
			t.Error(err)
		}
		if im.t.Processed != im.t.Items+im.t.Errors {
			t.Errorf("%d of %d items are accounted for", im.t.Items+im.t.Errors, im.t.Processed)
		}
	})
}
