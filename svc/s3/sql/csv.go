package sql

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// maxRecord is the longest record, as on AWS.
const maxRecord = 1 << 20

var errRecordSize = fault("OverMaxRecordSize", "The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.")

// A Format says how CSV is written. Empty members stand for AWS's defaults.
type Format struct {
	Field, Record string // delimiters
	Quote, Escape string
	Comment       string
	Header        string // USE, IGNORE, NONE
	Always        bool   // output: every field in quotes
}

// filled is the format with the defaults in place.
func (f Format) filled() Format {
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&f.Field, ",")
	set(&f.Record, "\n")
	set(&f.Quote, `"`)
	set(&f.Escape, f.Quote)
	return f
}

// ReadCSV yields the records of a CSV file.
func ReadCSV(r io.Reader, f Format, yield func(rec any) error) error {
	c := &csvReader{in: bufio.NewReaderSize(r, 64<<10), Format: f.filled()}
	if f.Header != "USE" && f.Header != "IGNORE" {
		f.Header = ""
	}
	var names []string
	for n := 0; ; n++ {
		fields, err := c.record()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 && f.Header != "" {
			if f.Header == "USE" {
				names = fields
			}
			continue
		}
		if err := yield(&Fields{names, fields}); err != nil {
			return err
		}
	}
}

type csvReader struct {
	in *bufio.Reader
	Format
	line []byte
}

// record reads the next record that is no comment and not empty.
func (c *csvReader) record() ([]string, error) {
	for {
		fields, err := c.fields()
		if err != nil {
			return nil, err
		}
		if len(fields) == 1 && fields[0] == "" || c.Comment != "" && strings.HasPrefix(fields[0], c.Comment) {
			continue
		}
		return fields, nil
	}
}

// fields reads a record's fields, to its delimiter or the end.
func (c *csvReader) fields() ([]string, error) {
	var out []string
	size := 0
	var field []byte
	quoted, inside, any := false, false, false
	finish := func() {
		out = append(out, string(field))
		field, quoted = field[:0], false
	}
	for {
		b, err := c.in.ReadByte()
		if err == io.EOF {
			if inside {
				return nil, fault("CSVUnescapedQuote", "Encountered a quote in a CSV file that is not escaped, or not closed.")
			}
			if !any {
				return nil, io.EOF
			}
			finish()
			return valid(out)
		}
		if err != nil {
			return nil, err
		}
		any = true
		if size++; size > maxRecord {
			return nil, errRecordSize
		}
		if inside {
			if inside, err = c.within(b, &field); err != nil {
				return nil, err
			}
			continue
		}
		switch {
		case b == c.Quote[0] && len(field) == 0 && !quoted:
			inside, quoted = true, true
		case c.at(b, c.Field):
			finish()
		case c.at(b, c.Record), b == '\r' && c.Record == "\n" && c.follows("\n"):
			finish()
			return valid(out)
		default:
			field = append(field, b)
		}
	}
}

// within takes a byte between quotes; false: it was the closing one.
func (c *csvReader) within(b byte, field *[]byte) (bool, error) {
	if b == c.Escape[0] {
		next, err := c.in.Peek(1)
		if err == nil && (next[0] == c.Quote[0] || next[0] == c.Escape[0]) {
			_, err = c.in.Discard(1)
			*field = append(*field, next[0])
			return true, err
		}
	}
	if b == c.Quote[0] {
		return false, nil
	}
	*field = append(*field, b)
	return true, nil
}

// at reports whether b begins the delimiter, and takes the rest of it.
func (c *csvReader) at(b byte, delimiter string) bool {
	return b == delimiter[0] && (len(delimiter) == 1 || c.follows(delimiter[1:]))
}

func (c *csvReader) follows(s string) bool {
	next, err := c.in.Peek(len(s))
	if err != nil || string(next) != s {
		return false
	}
	_, err = c.in.Discard(len(s))
	return err == nil
}

func valid(fields []string) ([]string, error) {
	for _, f := range fields {
		if !utf8.ValidString(f) {
			return nil, fault("InvalidTextEncoding", "Invalid encoding type. Only UTF-8 encoding is supported.")
		}
	}
	return fields, nil
}

// AppendCSV writes a row.
func AppendCSV(b []byte, r *Row, f Format) []byte {
	f = f.filled()
	for i, v := range r.Values {
		if i > 0 {
			b = append(b, f.Field...)
		}
		s := text(v)
		if !f.Always && !strings.Contains(s, f.Field) && !strings.Contains(s, f.Record) && !strings.Contains(s, f.Quote) && !strings.ContainsAny(s, "\r\n") {
			b = append(b, s...)
			continue
		}
		b = append(b, f.Quote...)
		b = append(b, strings.ReplaceAll(s, f.Quote, f.Escape+f.Quote)...)
		b = append(b, f.Quote...)
	}
	return append(b, f.Record...)
}
