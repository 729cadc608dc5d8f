package sql

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
)

// ReadParquet yields the rows of a Parquet file of size bytes.
func ReadParquet(r io.ReaderAt, size int64, yield func(row any) error) (err error) {
	defer func() {
		// A file that is damaged in its inner parts makes the library panic.
		if p := recover(); p != nil {
			err = parquetFault(fmt.Errorf("%v", p))
		}
	}()
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return parquetFault(err)
	}
	schema := f.Schema()
	var refused error // of yield: no fault of the file
	for _, group := range f.RowGroups() {
		if err := readGroup(group, schema, func(row any) error { refused = yield(row); return refused }); err != nil {
			if refused != nil {
				return refused
			}
			return parquetFault(err)
		}
	}
	return nil
}

func parquetFault(error) error {
	return fault("ParquetParsingError", "Encountered an error parsing the Parquet file. Check the file and try again.")
}

func readGroup(group parquet.RowGroup, schema *parquet.Schema, yield func(any) error) error {
	rows := group.Rows()
	defer rows.Close()
	buf := make([]parquet.Row, 64)
	for {
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			members := map[string]any{}
			if err := schema.Reconstruct(&members, row); err != nil {
				return err
			}
			o, err := inOrder(schema.Fields(), members)
			if err != nil {
				return err
			}
			if err := yield(o); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
}

// inOrder makes a row's members an object, in the order of the schema.
func inOrder(fields []parquet.Field, members map[string]any) (*Object, error) {
	o := &Object{}
	for _, f := range fields {
		v, err := parquetValue(f, members[f.Name()])
		if err != nil {
			return nil, err
		}
		o.Names, o.Values = append(o.Names, f.Name()), append(o.Values, v)
	}
	return o, nil
}

func parquetValue(f parquet.Node, v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool, int64, float64, string:
		return v, nil
	case int32:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case uint64:
		return int64(v), nil
	case float32:
		return float64(v), nil
	case []byte:
		return string(v), nil
	case time.Time:
		return Timestamp{v.UTC(), 17}, nil
	case map[string]any:
		return inOrder(f.Fields(), v)
	case []any:
		list := make([]any, 0, len(v))
		for _, x := range v {
			w, err := parquetValue(f, x)
			if err != nil {
				return nil, err
			}
			list = append(list, w)
		}
		return list, nil
	}
	return fmt.Sprint(v), nil
}
