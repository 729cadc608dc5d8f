package sql

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxDocument is the longest JSON document that a query's path is followed in.
const maxDocument = 64 << 20

// ReadJSON yields the documents of a JSON file, one behind the other. Each is at most
// 1 MB if the file is one of lines, since a line is a record.
func ReadJSON(r io.Reader, lines bool, yield func(doc any) error) error {
	limited := &documentReader{in: r, most: maxDocument}
	if lines {
		limited.most = maxRecord
	}
	limited.left = limited.most + 4096 // what the decoder reads ahead
	d := json.NewDecoder(limited)
	d.UseNumber()
	for {
		v, err := readValue(d, 0)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return jsonFault(err)
		}
		if err := yield(v); err != nil {
			return err
		}
		limited.left = limited.most + 4096
	}
}

func jsonFault(err error) error {
	var own *Error
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return fault("JSONParsingError", "Encountered an error parsing the JSON file. Check the file and try again.")
	}
	return err
}

// documentReader ends a document that is too long.
type documentReader struct {
	in         io.Reader
	left, most int
}

func (r *documentReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, errRecordSize
	}
	n, err := r.in.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}

func readValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fault("JSONParsingError", "Encountered an error parsing the JSON file: it is nested too deeply.")
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return readList(d, depth)
		}
		return readObject(d, depth)
	case json.Number:
		if n, err := strconv.ParseInt(string(t), 10, 64); err == nil {
			return n, nil
		}
		f, err := t.Float64()
		if err != nil {
			return nil, fault("JSONParsingError", "The number %.64s is out of range.", string(t))
		}
		return f, nil
	}
	return t, nil
}

func readList(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := readValue(d, depth+1)
		if err != nil {
			return nil, unexpectedEnd(err)
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, unexpectedEnd(err)
}

func readObject(d *json.Decoder, depth int) (any, error) {
	o := &Object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, unexpectedEnd(err)
		}
		v, err := readValue(d, depth+1)
		if err != nil {
			return nil, unexpectedEnd(err)
		}
		o.Names, o.Values = append(o.Names, name.(string)), append(o.Values, v)
	}
	_, err := d.Token()
	return o, unexpectedEnd(err)
}

func unexpectedEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendJSON writes a row as an object, and what separates it from the next. Columns
// that are missing are left out.
func AppendJSON(b []byte, r *Row, delimiter string) []byte {
	b = appendMembers(b, r.Names, r.Values)
	return append(b, delimiter...)
}

func appendMembers(b []byte, names []string, values []any) []byte {
	b = append(b, '{')
	first := true
	for i, name := range names {
		if values[i] == any(missing) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendString(b, name), ':')
		b = appendJSON(b, values[i])
	}
	return append(b, '}')
}

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return append(b, floatText(v)...)
	case Timestamp:
		return appendString(b, v.String())
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, x)
		}
		return append(b, ']')
	case *Object:
		return appendMembers(b, v.Names, v.Values)
	case *Fields:
		row := whole(v)
		return appendMembers(b, row.Names, row.Values)
	}
	return append(b, "null"...)
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < 0x20:
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
