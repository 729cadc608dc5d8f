package firehose

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	codecs "github.com/parquet-go/parquet-go/compress"

	api "github.com/tule-cloud/tule/api/firehose"
	"github.com/tule-cloud/tule/aws"
)

// A conversion makes Parquet of JSON.
type conversion struct {
	codec  codecs.Codec
	column func(key string) string
}

// newConversion checks how records are to be converted.
func newConversion(c *api.DataFormatConversionConfiguration) (*conversion, error) {
	if c.OutputFormatConfiguration == nil || c.OutputFormatConfiguration.Serializer == nil || c.InputFormatConfiguration == nil || c.InputFormatConfiguration.Deserializer == nil {
		return nil, api.InvalidArgumentException("InputFormatConfiguration and OutputFormatConfiguration must be specified when data format conversion is enabled.")
	}
	out, in := c.OutputFormatConfiguration.Serializer, c.InputFormatConfiguration.Deserializer
	switch {
	case out.OrcSerDe != nil:
		return nil, api.InvalidArgumentException("ORC is not written by this version of Tule: use ParquetSerDe.")
	case out.ParquetSerDe == nil:
		return nil, api.InvalidArgumentException("Exactly one serializer must be specified.")
	case (in.OpenXJsonSerDe == nil) == (in.HiveJsonSerDe == nil):
		return nil, api.InvalidArgumentException("Exactly one deserializer must be specified.")
	}
	v := &conversion{codec: &parquet.Snappy, column: strings.ToLower}
	switch aws.Value(out.ParquetSerDe.Compression) {
	case api.ParquetCompressionGzip:
		v.codec = &parquet.Gzip
	case api.ParquetCompressionUncompressed:
		v.codec = &parquet.Uncompressed
	}
	if x := in.OpenXJsonSerDe; x != nil {
		v.column = columns(x)
	}
	return v, nil
}

// columns is how keys become names of columns.
func columns(x *api.OpenXJsonSerDe) func(key string) string {
	of := map[string]string{}
	for column, key := range x.ColumnToJsonKeyMappings {
		of[key] = column
	}
	sensitive := x.CaseInsensitive != nil && !*x.CaseInsensitive
	dots := aws.Value(x.ConvertDotsInJsonKeysToUnderscores)
	return func(key string) string {
		if c, ok := of[key]; ok {
			return c
		}
		if dots {
			key = strings.ReplaceAll(key, ".", "_")
		}
		if !sensitive {
			key = strings.ToLower(key)
		}
		return key
	}
}

// The kinds of columns, each of which takes what the ones before it take, but for truth.
type columnKind int

const (
	noKind columnKind = iota
	truth
	whole
	fraction
	text
)

// kindOf is the kind of column for a value.
func kindOf(v any) columnKind {
	switch v := v.(type) {
	case nil:
		return noKind
	case bool:
		return truth
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return whole
		}
		return fraction
	}
	return text
}

// both is the kind of column for two kinds of values.
func (k columnKind) both(o columnKind) columnKind {
	switch {
	case k == o, o == noKind:
		return k
	case k == noKind:
		return o
	case k == truth || o == truth:
		return text
	}
	return max(k, o)
}

// value is a value in a column of a kind.
func (k columnKind) value(v any) parquet.Value {
	switch v := v.(type) {
	case nil:
		return parquet.NullValue()
	case bool:
		if k == truth {
			return parquet.BooleanValue(v)
		}
	case json.Number:
		if k == whole {
			n, _ := v.Int64()
			return parquet.Int64Value(n)
		}
		if k == fraction {
			f, _ := v.Float64()
			return parquet.DoubleValue(f)
		}
		return parquet.ByteArrayValue([]byte(v))
	case string:
		return parquet.ByteArrayValue([]byte(v))
	}
	b, _ := json.Marshal(v) // it came from JSON
	return parquet.ByteArrayValue(b)
}

func (k columnKind) node() parquet.Node {
	var n parquet.Node
	switch k {
	case truth:
		n = parquet.Leaf(parquet.BooleanType)
	case whole:
		n = parquet.Int(64)
	case fraction:
		n = parquet.Leaf(parquet.DoubleType)
	default:
		n = parquet.String()
	}
	return parquet.Optional(n)
}

// parquet makes a file of records, and gives those that are in it and those that cannot be.
func (c *conversion) parquet(list []record, no *refusal) (file []byte, good, bad []record, err error) {
	var rows []map[string]any
	kinds := map[string]columnKind{}
	for i := range list {
		more, ok := c.rows(list[i].data)
		if !ok {
			no.trouble.code, no.trouble.message = "DataFormatConversion.MalformedData", "The record is not valid JSON, or not an object."
			bad = append(bad, list[i])
			continue
		}
		good = append(good, list[i])
		rows = append(rows, more...)
		for _, row := range more {
			for name, v := range row {
				kinds[name] = kinds[name].both(kindOf(v))
			}
		}
	}
	if len(kinds) == 0 {
		return nil, nil, bad, nil
	}
	names, group := slices.Sorted(maps.Keys(kinds)), parquet.Group{}
	for _, name := range names {
		group[name] = kinds[name].node()
	}
	var b bytes.Buffer
	w := parquet.NewWriter(&b, parquet.NewSchema("hive_schema", group), parquet.Compression(c.codec))
	for _, r := range rows {
		row := make(parquet.Row, len(names))
		for i, name := range names {
			v := kinds[name].value(r[name])
			row[i] = v.Level(0, map[bool]int{true: 0, false: 1}[v.IsNull()], i)
		}
		if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
			return nil, nil, nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, nil, nil, err
	}
	return b.Bytes(), good, bad, nil
}

// rows are the objects in a record, with their columns' names.
func (c *conversion) rows(data []byte) (rows []map[string]any, ok bool) {
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	for {
		var object map[string]any
		if err := in.Decode(&object); err == io.EOF {
			return rows, len(rows) > 0
		} else if err != nil || len(object) == 0 {
			return nil, false
		}
		row := make(map[string]any, len(object))
		for key, v := range object {
			name := c.column(key)
			if name == "" {
				return nil, false
			}
			row[name] = v
		}
		rows = append(rows, row)
	}
}
