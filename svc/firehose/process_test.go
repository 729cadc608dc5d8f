package firehose

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/encoding/protowire"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

const function = "arn:aws:lambda:us-east-1:000000000000:function:f"

// failures reads an object of records that failed.
func failures(t *testing.T, body []byte) (list []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(body) {
		var f map[string]any
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		data, err := base64.StdEncoding.DecodeString(f["rawData"].(string))
		if err != nil {
			t.Fatal(err)
		}
		f["data"] = string(data)
		list = append(list, f)
	}
	return list
}

// transforming is a double of a function: of each record f makes a result and data.
func transforming(f func(data string) (result, made string)) func(payload []byte) ([]byte, error) {
	return func(payload []byte) ([]byte, error) {
		var e transformEvent
		if err := json.Unmarshal(payload, &e); err != nil || e.InvocationID == "" || e.Region != "us-east-1" || !strings.HasSuffix(e.Stream, ":deliverystream/s") {
			return nil, fmt.Errorf("%s: %w", payload, err)
		}
		out := map[string][]map[string]any{}
		for _, r := range e.Records {
			result, made := f(string(r.Data))
			if result == "" {
				continue
			}
			out["records"] = append(out["records"], map[string]any{"recordId": r.ID, "result": result, "data": []byte(made), "metadata": map[string]any{"partitionKeys": map[string]any{"first": string(r.Data[:1])}}})
		}
		return json.Marshal(out)
	}
}

func TestTransformed(t *testing.T) {
	w := newWorld(t, nil)
	w.invoke = transforming(func(data string) (string, string) {
		switch data {
		case "drop":
			return "Dropped", ""
		case "fail":
			return "ProcessingFailed", ""
		case "miss":
			return "", ""
		case "odd":
			return "Fine", ""
		}
		return "Ok", strings.ToUpper(data) + ";"
	})
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.Prefix = new("p/")
		c.ProcessingConfiguration = processing(processor("AppendDelimiterToRecord", "Delimiter", `|\n`), processor("Lambda", "LambdaArn", function))
	})
	w.send(t, "s", "a", "drop", "fail", "b", "miss", "odd")
	w.pass(t, 300*time.Second)
	bad, good := w.next(t), w.next(t)
	if string(good.body) != "A;|\nB;|\n" {
		t.Errorf("%q", good.body)
	}
	matches(t, bad.key, `p/processing-failed/2026/01/02/03/s-1-2026-01-02-03-04-05-`+uuid)
	list := failures(t, bad.body)
	if len(list) != 3 || list[0]["data"] != "fail" || list[0]["errorCode"] != "Lambda.ProcessingFailedStatus" || list[1]["errorCode"] != "Lambda.MissingRecordId" ||
		list[2]["errorCode"] != "Lambda.InvalidResult" || list[0]["lambdaArn"] != function || list[0]["attemptsMade"] != 1.0 {
		t.Errorf("%v", list)
	}
	w.empty(t)
	if w.meter.sum("SucceedProcessing.Records") != 2 || w.meter.sum("ExecuteProcessing.Success") != 1 {
		t.Errorf("%v", w.meter.of)
	}
}

// A function that fails is invoked again as often as the stream says; then its records fail.
func TestFunctionFails(t *testing.T) {
	for name, c := range map[string]struct {
		invoke func(n int) ([]byte, error)
		times  int
		code   string
	}{
		"error":    {func(int) ([]byte, error) { return []byte("Unhandled"), nil }, 3, "Lambda.FunctionError"},
		"denied":   {func(int) ([]byte, error) { return nil, aws.AccessDenied("no") }, 1, "Lambda.InvokeAccessDenied"},
		"nonsense": {func(int) ([]byte, error) { return []byte(`{"records": 1}`), nil }, 1, "Lambda.InvalidPayload"},
		"nothing":  {func(int) ([]byte, error) { return []byte(`null`), nil }, 1, "Lambda.InvalidPayload"},
		"foreign": {func(int) ([]byte, error) {
			return []byte(`{"records": [{"recordId": "x"}, {"recordId": "x"}, null]}`), nil
		}, 1, "Lambda.MissingRecordId"},
		"in the end": {func(n int) ([]byte, error) {
			if n < 3 {
				return nil, errors.New("it is no more there")
			}
			return []byte("Unhandled"), nil
		}, 3, "Lambda.FunctionError"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			n := 0
			w.invoke = func([]byte) ([]byte, error) { n++; return c.invoke(n) }
			w.s3(t, "s", func(d *api.ExtendedS3DestinationConfiguration) {
				d.ErrorOutputPrefix = new("e/!{firehose:error-output-type}/!{timestamp:yyyy}/")
				d.ProcessingConfiguration = processing(processor("Lambda", "LambdaArn", function, "NumberOfRetries", "2"))
			})
			w.send(t, "s", "a")
			w.pass(t, 300*time.Second)
			if name == "in the end" {
				w.pass(t, time.Second)
				w.pass(t, time.Second)
			}
			p := w.next(t)
			matches(t, p.key, `e/processing-failed/2026/s-1-.*`)
			if list := failures(t, p.body); len(list) != 1 || list[0]["errorCode"] != c.code || list[0]["data"] != "a" || n != c.times {
				t.Errorf("%v after %d invocations", list, n)
			}
			w.empty(t)
		})
	}
}

// Invocations hold no more than the configuration says.
func TestInvocationsAreSmall(t *testing.T) {
	w := newWorld(t, nil)
	var sizes []int
	inner := transforming(func(data string) (string, string) { return "Ok", data[:1] })
	w.invoke = func(payload []byte) ([]byte, error) {
		sizes = append(sizes, len(payload))
		return inner(payload)
	}
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.ProcessingConfiguration = processing(processor("Lambda", "LambdaArn", function, "BufferSizeInMBs", "0.2"))
	})
	var list []string
	for i := range 7 {
		list = append(list, fmt.Sprint(i)+strings.Repeat("x", 100<<10))
	}
	w.send(t, "s", list...)
	w.pass(t, 300*time.Second)
	if p := w.next(t); string(p.body) != "0123456" || len(sizes) != 4 {
		t.Errorf("%q in %v", p.body, sizes)
	}
}

func TestPartitioned(t *testing.T) {
	w := newWorld(t, nil)
	w.invoke = transforming(func(data string) (string, string) { return "Ok", data })
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.DynamicPartitioningConfiguration = &api.DynamicPartitioningConfiguration{Enabled: new(true)}
		c.Prefix = new("c=!{partitionKeyFromQuery:customer}/n=!{partitionKeyFromQuery:n}/f=!{partitionKeyFromLambda:first}/!{timestamp:yyyy'-'MM}/!{firehose:random-string}/")
		c.ErrorOutputPrefix = new("e/!{firehose:error-output-type}/")
		c.FileExtension = new(".jsonl")
		c.ProcessingConfiguration = processing(processor("MetadataExtraction", "MetadataExtractionQuery", "{customer: .c.id, n: .n}", "JsonParsingEngine", "JQ-1.6"),
			processor("RecordDeAggregation", "SubRecordType", "JSON"), processor("AppendDelimiterToRecord"), processor("Lambda", "LambdaArn", function))
	})
	w.send(t, "s", `{"c": {"id": "x"}, "n": 1.5} {"c": {"id": "y"}, "n": 2}`+"\n"+`{"c": {"id": "x"}, "n": 1.5}`, `{"c": 1}`, `no`, `{"c": {}, "n": null}`)
	w.pass(t, 300*time.Second)
	got := map[string]string{}
	for range 4 {
		p := w.next(t)
		got[p.key] = string(p.body)
	}
	w.empty(t)
	want := map[string]string{
		`c=x/n=1.5/f={/2026-01/[0-9a-z]{11}/s-1-2026-01-02-03-04-05-` + uuid + `.jsonl`: `{"c": {"id": "x"}, "n": 1.5}` + "\n" + `{"c": {"id": "x"}, "n": 1.5}` + "\n",
		`c=y/n=2/f={/2026-01/[0-9a-z]{11}/s-1-2026-01-02-03-04-05-` + uuid + `.jsonl`:   `{"c": {"id": "y"}, "n": 2}` + "\n",
	}
	bad := 0
	for key, body := range got {
		if strings.HasPrefix(key, "e/processing-failed/2026/01/02/03/") {
			bad += len(failures(t, []byte(body)))
			continue
		}
		found := false
		for pattern, text := range want {
			if regexpMatch(pattern, key) {
				found = body == text
			}
		}
		if !found {
			t.Errorf("%s: %q", key, body)
		}
	}
	if bad != 3 {
		t.Errorf("%d records failed: %v", bad, got)
	}
}

func TestDelimited(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.DynamicPartitioningConfiguration = &api.DynamicPartitioningConfiguration{Enabled: new(true)}
		c.Prefix, c.ErrorOutputPrefix = new("!{partitionKeyFromQuery:k}/"), new("e/!{firehose:error-output-type}/")
		c.ProcessingConfiguration = processing(processor("RecordDeAggregation", "SubRecordType", "DELIMITED", "Delimiter", "IyM="),
			processor("MetadataExtraction", "MetadataExtractionQuery", "{k: .k}", "JsonParsingEngine", "JQ-1.6"))
	})
	w.send(t, "s", `{"k":1}##{"k":2}##`)
	w.pass(t, 300*time.Second)
	if one, two := w.next(t), w.next(t); string(one.body) != `{"k":1}` || string(two.body) != `{"k":2}` || !strings.HasPrefix(two.key, "2/s-1-") {
		t.Errorf("%q %q", one.body, two.key)
	}
}

func TestLogsProcessed(t *testing.T) {
	zip := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.String()
	}
	for extract, want := range map[string]string{"true": "one\ntwo\n", "false": `{"messageType":"CONTROL_MESSAGE","logEvents":[]}{"messageType":"DATA_MESSAGE","logEvents":[{"message":"one"},{"message":"two"}]}`} {
		w := newWorld(t, nil)
		w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
			c.ProcessingConfiguration = processing(processor("Decompression", "CompressionFormat", "GZIP"), processor("CloudWatchLogProcessing", "DataMessageExtraction", extract))
		})
		w.send(t, "s", zip(`{"messageType":"CONTROL_MESSAGE","logEvents":[]}`), zip(`{"messageType":"DATA_MESSAGE","logEvents":[{"message":"one"},{"message":"two"}]}`), "plain")
		w.pass(t, 300*time.Second)
		bad, good := w.next(t), w.next(t)
		if string(good.body) != want || !strings.HasPrefix(bad.key, "processing-failed/2026/01/02/03/") || failures(t, bad.body)[0]["errorCode"] != "Decompression.Failed" {
			t.Errorf("%q, %s", good.body, bad.body)
		}
	}
}

func TestParquet(t *testing.T) {
	w := newWorld(t, nil)
	w.s3(t, "s", func(c *api.ExtendedS3DestinationConfiguration) {
		c.DataFormatConversionConfiguration = &api.DataFormatConversionConfiguration{Enabled: new(true),
			InputFormatConfiguration: &api.InputFormatConfiguration{Deserializer: &api.Deserializer{OpenXJsonSerDe: &api.OpenXJsonSerDe{
				ConvertDotsInJsonKeysToUnderscores: new(true), ColumnToJsonKeyMappings: map[string]string{"ts": "timestamp"}}}},
			OutputFormatConfiguration: &api.OutputFormatConfiguration{Serializer: &api.Serializer{ParquetSerDe: &api.ParquetSerDe{Compression: new("GZIP")}}}}
	})
	w.send(t, "s", `{"Id": 1, "a.b": "x", "timestamp": 1.5, "ok": true, "in": {"k": [1]}, "mixed": 1}`, `{"id": 9007199254740993, "mixed": "m"}{"id": -3}`, `[]`, `{}`, `{"id":`)
	w.pass(t, 300*time.Second)
	good, bad := w.next(t), w.next(t)
	matches(t, good.key, `2026/01/02/03/s-1-.*\.parquet`)
	matches(t, bad.key, `format-conversion-failed/2026/01/02/03/s-1-.*`)
	if list := failures(t, bad.body); len(list) != 3 || list[0]["lastErrorCode"] != "DataFormatConversion.MalformedData" || list[0]["data"] != "[]" {
		t.Errorf("%v", list)
	}
	type row struct {
		ID    *int64   `parquet:"id,optional"`
		AB    *string  `parquet:"a_b,optional"`
		TS    *float64 `parquet:"ts,optional"`
		OK    *bool    `parquet:"ok,optional"`
		In    *string  `parquet:"in,optional"`
		Mixed *string  `parquet:"mixed,optional"`
	}
	rows, err := parquet.Read[row](bytes.NewReader(good.body), int64(len(good.body)))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%v, %v", rows, err)
	}
	if r := rows[0]; *r.ID != 1 || *r.AB != "x" || *r.TS != 1.5 || !*r.OK || *r.In != `{"k":[1]}` || *r.Mixed != "1" {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; *r.ID != 9007199254740993 || r.AB != nil || *r.Mixed != "m" || *rows[2].ID != -3 {
		t.Errorf("%+v", r)
	}
}

// aggregate is what the Kinesis Producer Library makes of records.
func aggregate(keys []string, data ...string) []byte {
	var b []byte
	for _, k := range keys {
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), k)
	}
	for i, text := range data {
		r := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(i%len(keys)))
		r = protowire.AppendString(protowire.AppendTag(r, 3, protowire.BytesType), text)
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), r)
	}
	sum := md5.Sum(b)
	return slices.Concat(aggregateMark, b, sum[:])
}

func TestDeaggregated(t *testing.T) {
	broken := aggregate([]string{"k"}, "lost")
	broken[len(broken)-1]++
	list := deaggregated([]record{{id: "1", data: []byte("plain")}, {id: "2", data: aggregate([]string{"k", "l"}, "a", "b")}, {id: "3", data: broken}, {id: "4", data: aggregateMark}})
	var got []string
	for _, r := range list {
		got = append(got, r.id+r.key+string(r.data))
	}
	if want := []string{"1plain", "2-0ka", "2-1lb", "3" + string(broken), "4" + string(aggregateMark)}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func FuzzAggregate(f *testing.F) {
	f.Add(aggregate([]string{"k"}, "a", "b"))
	f.Add([]byte("x"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		sum := md5.Sum(b)
		_ = deaggregated([]record{{data: b}, {data: slices.Concat(aggregateMark, b, sum[:])}})
	})
}

func FuzzBundle(f *testing.F) {
	f.Add(encodeBundle(time.UnixMilli(7), "shard", []record{{data: []byte("a"), key: "k", sequence: "1", came: time.UnixMilli(5)}, {data: nil, came: time.UnixMilli(6)}}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		when, list, err := decodeBundle(bundleID{1, 2}, b)
		if err != nil || len(list) == 0 {
			return
		}
		_, again, err := decodeBundle(bundleID{1, 2}, encodeBundle(when, list[0].shard, list))
		if err != nil || len(again) != len(list) || !bytes.Equal(again[0].data, list[0].data) || again[0].key != list[0].key {
			t.Errorf("%v, %v", again, err)
		}
	})
}
