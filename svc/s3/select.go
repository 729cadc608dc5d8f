package s3

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/s3/sql"
)

func (s *Service) selectRoutes() []aws.Route {
	return []aws.Route{api.SelectObjectContent.To(s.selectObjectContent,
		onObject(s, func(in *api.SelectObjectContentRequest) place { return place{in.Bucket, in.Key, nil} }, "s3:GetObject", ""))}
}

const (
	// selectFlush is how many bytes of records go into one event.
	selectFlush = 128 << 10
	// selectProgress is how many bytes are read between two reports on progress.
	selectProgress = 1 << 20
)

// selectObjectContent puts a query to an object. What is wrong with the request is an
// error; what is wrong with the object ends the stream with one.
func (s *Service) selectObjectContent(ctx context.Context, in *api.SelectObjectContentRequest) (*api.SelectObjectContentOutput, error) {
	q, err := sql.Parse(*in.Expression, s.Clock.Now())
	if err != nil {
		return nil, selectFault(err)
	}
	k, err := customerKeyOf(in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5)
	if err != nil {
		return nil, err
	}
	sel := &selection{s: s, in: in, query: q}
	if err := sel.formats(); err != nil {
		return nil, err
	}
	var p span
	f, body, err := s.fetch(ctx, in.Bucket, in.ExpectedBucketOwner, *in.Key, nil, k, func(f *found) (span, error) {
		if err := s.readable(f.object); err != nil {
			return p, err
		}
		p, err = scanned(in.ScanRange, f.Size)
		return p, err
	})
	if err != nil {
		return nil, err
	}
	sel.object, sel.body, sel.size = f, body, f.Size
	sel.openAt = func(from, length int64) (io.ReadCloser, error) {
		return s.open(ctx, f, k, span{from: from, length: length})
	}
	return &api.SelectObjectContentOutput{Payload: sel.events()}, nil
}

// scanned is the part of an object that a scan range names.
func scanned(r *api.ScanRange, size int64) (span, error) {
	p := span{length: size}
	if r == nil {
		return p, nil
	}
	start, end := int64(0), size-1
	switch {
	case r.Start != nil && r.End != nil:
		start, end = *r.Start, min(*r.End, end)
	case r.Start != nil:
		start = *r.Start
	case r.End != nil:
		start = max(size-*r.End, 0)
	}
	if start < 0 || start >= size || end < start {
		return p, aws.Errorf(400, "InvalidScanRange", "The scan range is not valid for the object.")
	}
	return span{from: start, length: end - start + 1}, nil
}

// A selection is a query under way.
type selection struct {
	s        *Service
	in       *api.SelectObjectContentRequest
	query    *sql.Query
	object   *found
	body     io.ReadCloser
	size     int64
	openAt   func(from, length int64) (io.ReadCloser, error)
	csv      sql.Format
	out      sql.Format
	json     *string // what separates the records of the answer
	buf      []byte
	scanned  int64
	done     int64 // bytes after decompression
	returned int64
	reported int64
	yield    func(*api.SelectObjectContentEventStream, error) bool
}

var errNobodyListens = errors.New("the client has gone")

func selectFault(err error) error {
	var e *sql.Error
	if errors.As(err, &e) {
		return aws.Errorf(400, e.Code, "%s", e.Message)
	}
	return err
}

// formats reads how the object is written, and how the answer shall be.
func (x *selection) formats() error {
	i, o := x.in.InputSerialization, x.in.OutputSerialization
	kinds := 0
	for _, there := range []bool{i.CSV != nil, i.JSON != nil, i.Parquet != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		return aws.Errorf(400, "InvalidDataSource", "Invalid data source type. Only CSV, JSON, and Parquet are supported.")
	}
	if (o.CSV == nil) == (o.JSON == nil) {
		return aws.Errorf(400, "InvalidRequestParameter", "The value of a parameter in SelectRequest is invalid. Check the service API documentation and try again.")
	}
	if i.Parquet != nil && (aws.Value(i.CompressionType) != "" && *i.CompressionType != "NONE" || x.in.ScanRange != nil) {
		return aws.Errorf(400, "InvalidCompressionFormat", "The file is not in a supported compression format. Only GZIP and BZIP2 are supported for CSV and JSON.")
	}
	if x.in.ScanRange != nil && aws.Value(i.CompressionType) != "" && *i.CompressionType != "NONE" {
		return aws.Errorf(400, "UnsupportedScanRangeInput", "Scan range queries are not supported on this type of object.")
	}
	if c := i.CSV; c != nil {
		x.csv = sql.Format{Field: aws.Value(c.FieldDelimiter), Record: aws.Value(c.RecordDelimiter), Quote: aws.Value(c.QuoteCharacter),
			Escape: aws.Value(c.QuoteEscapeCharacter), Comment: aws.Value(c.Comments), Header: aws.Value(c.FileHeaderInfo)}
	}
	if c := o.CSV; c != nil {
		x.out = sql.Format{Field: aws.Value(c.FieldDelimiter), Record: aws.Value(c.RecordDelimiter), Quote: aws.Value(c.QuoteCharacter),
			Escape: aws.Value(c.QuoteEscapeCharacter), Always: aws.Value(c.QuoteFields) == "ALWAYS"}
		return nil
	}
	delimiter := "\n"
	if o.JSON.RecordDelimiter != nil {
		delimiter = *o.JSON.RecordDelimiter
	}
	x.json = &delimiter
	return nil
}

// events is the answer: records, then what it took, then the end.
func (x *selection) events() iter.Seq2[*api.SelectObjectContentEventStream, error] {
	return func(yield func(*api.SelectObjectContentEventStream, error) bool) {
		defer x.body.Close()
		x.yield = yield
		err := x.run()
		if err == nil {
			err = x.flush()
		}
		if errors.Is(err, errNobodyListens) {
			return
		}
		if err != nil {
			yield(nil, selectFault(err))
			return
		}
		stats := &api.Stats{BytesScanned: &x.scanned, BytesProcessed: &x.done, BytesReturned: &x.returned}
		if yield(&api.SelectObjectContentEventStream{Stats: &api.StatsEvent{Details: stats}}, nil) {
			yield(&api.SelectObjectContentEventStream{End: &api.EndEvent{}}, nil)
		}
	}
}

var errEnough = errors.New("the query has all that it wants")

func (x *selection) run() error {
	err := x.read()
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		return err
	}
	return x.row(x.query.End())
}

// read puts all records of the object to the query.
func (x *selection) read() error {
	take := func(rec any) error {
		if x.query.Done() {
			return errEnough
		}
		if err := x.row(x.query.Take(rec)); err != nil {
			return err
		}
		return x.progress()
	}
	document := func(doc any) error { return x.query.Records(doc, take) }
	i := x.in.InputSerialization
	if i.Parquet != nil {
		err := sql.ReadParquet(x, x.size, document)
		x.done = x.scanned
		return err
	}
	plain, err := x.decompressed(aws.Value(i.CompressionType))
	if err != nil {
		return err
	}
	if i.CSV != nil {
		return sql.ReadCSV(plain, x.csv, take)
	}
	return sql.ReadJSON(plain, aws.Value(i.JSON.Type) == "LINES", document)
}

func (x *selection) decompressed(by string) (io.Reader, error) {
	raw := &counted{x.body, &x.scanned}
	switch by {
	case "GZIP":
		z, err := gzip.NewReader(bufio.NewReader(raw))
		if err != nil {
			return nil, compressionFault("GZIP")
		}
		return &counted{&unpacked{z, by}, &x.done}, nil
	case "BZIP2":
		return &counted{&unpacked{bzip2.NewReader(bufio.NewReader(raw)), by}, &x.done}, nil
	}
	return &counted{raw, &x.done}, nil
}

func compressionFault(by string) error {
	return aws.Errorf(400, "InvalidCompressionFormat", "%s is not applicable to the queried object. Please correct the request and try again.", by)
}

// unpacked says in S3's words that compressed data is none.
type unpacked struct {
	r  io.Reader
	by string
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && err != io.EOF {
		err = compressionFault(u.by)
	}
	return n, err
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt, for files that are read from their end.
func (x *selection) ReadAt(p []byte, at int64) (int, error) {
	if at >= x.size {
		return 0, io.EOF
	}
	r, err := x.openAt(at, min(int64(len(p)), x.size-at))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, p)
	x.scanned += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// row adds a row to the answer.
func (x *selection) row(r *sql.Row, err error) error {
	if err != nil || r == nil {
		return err
	}
	if x.json != nil {
		x.buf = sql.AppendJSON(x.buf, r, *x.json)
	} else {
		x.buf = sql.AppendCSV(x.buf, r, x.out)
	}
	if len(x.buf) < selectFlush {
		return nil
	}
	return x.flush()
}

// flush sends what has gathered.
func (x *selection) flush() error {
	if len(x.buf) == 0 {
		return nil
	}
	payload := x.buf
	x.buf = nil
	x.returned += int64(len(payload))
	return x.send(&api.SelectObjectContentEventStream{Records: &api.RecordsEvent{Payload: payload}})
}

func (x *selection) send(e *api.SelectObjectContentEventStream) error {
	if !x.yield(e, nil) {
		return errNobodyListens
	}
	return nil
}

// progress tells, from time to time, how far the query has come, if it is asked, or that
// it is still at it.
func (x *selection) progress() error {
	if x.scanned-x.reported < selectProgress {
		return nil
	}
	x.reported = x.scanned
	if p := x.in.RequestProgress; p == nil || !aws.Value(p.Enabled) {
		if len(x.buf) > 0 {
			return nil
		}
		return x.send(&api.SelectObjectContentEventStream{Cont: &api.ContinuationEvent{}})
	}
	scanned, done, returned := x.scanned, x.done, x.returned
	return x.send(&api.SelectObjectContentEventStream{Progress: &api.ProgressEvent{
		Details: &api.Progress{BytesScanned: &scanned, BytesProcessed: &done, BytesReturned: &returned}}})
}
