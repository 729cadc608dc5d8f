package sql

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/parquet-go/parquet-go"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// run puts a query to an input and gives what comes out as CSV or JSON.
func run(query, kind, input string, f Format) (string, error) {
	q, err := Parse(query, now)
	if err != nil {
		return "", err
	}
	var out []byte
	row := func(r *Row, err error) error {
		if err == nil && r != nil && strings.HasPrefix(kind, "csv") {
			out = AppendCSV(out, r, Format{})
		} else if err == nil && r != nil {
			out = AppendJSON(out, r, "\n")
		}
		return err
	}
	take := func(rec any) error { return row(q.Take(rec)) }
	doc := func(d any) error { return q.Records(d, take) }
	switch kind {
	case "csv", "csv-json":
		err = ReadCSV(strings.NewReader(input), f, take)
	case "parquet":
		err = ReadParquet(strings.NewReader(input), int64(len(input)), doc)
	default:
		err = ReadJSON(strings.NewReader(input), kind == "lines", doc)
	}
	if err == nil {
		err = row(q.End())
	}
	return string(out), err
}

type film struct {
	Title string   `parquet:"title"`
	Year  int32    `parquet:"year"`
	Score *float64 `parquet:"score,optional"`
	Seen  bool     `parquet:"seen"`
	Cast  []string `parquet:"cast,list"`
	Maker struct {
		Name string `parquet:"name"`
	} `parquet:"maker"`
}

func parquetFile(t testing.TB) string {
	t.Helper()
	score := 8.5
	films := []film{{Title: "Vertigo", Year: 1958, Score: &score, Seen: true, Cast: []string{"Stewart", "Novak"}}, {Title: "Tule", Year: 2026}}
	films[0].Maker.Name = "Hitchcock"
	var b bytes.Buffer
	if err := parquet.Write(&b, films, parquet.Compression(&parquet.Snappy)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestScripts: the first line of a script's input is the query, the rest the data.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		input := ""
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "input" {
				input = d.Input + "\n"
				return ""
			}
			var f Format
			for _, a := range d.CmdArgs {
				v := strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(strings.Join(a.Vals, ","))
				switch a.Key {
				case "header":
					f.Header = v
				case "field":
					f.Field = v
				case "record":
					f.Record = v
				case "comment":
					f.Comment = v
				case "escape":
					f.Escape = v
				}
			}
			data := input
			if d.Cmd == "parquet" {
				data = parquetFile(t)
			}
			out, err := run(d.Input, d.Cmd, data, f)
			if err != nil {
				out += err.Error() + "\n"
			}
			return out
		})
	})
}

func TestLongRecord(t *testing.T) {
	long := strings.Repeat("x", maxRecord+1)
	for kind, input := range map[string]string{"csv": long, "lines": `"` + long + long + `"`} {
		if _, err := run("SELECT * FROM S3Object", kind, input, Format{}); err == nil || !strings.HasPrefix(err.Error(), "OverMaxRecordSize") {
			t.Errorf("%s: %.80v", kind, err)
		}
	}
}

func TestDamagedParquet(t *testing.T) {
	good := parquetFile(t)
	for i := 0; i < len(good); i += 5 {
		bad := []byte(good)
		bad[i] ^= 0xff
		if _, err := run("SELECT * FROM S3Object", "parquet", string(bad), Format{}); err != nil {
			var own *Error
			if !errors.As(err, &own) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

func FuzzQuery(f *testing.F) {
	for _, q := range []string{"SELECT * FROM S3Object", "select s._1, count(*) from s3object[*].a.b[*] as s where s._2 like 'a%' escape '!' limit 3",
		"SELECT CAST(s.a AS INT)+-1 FROM S3Object s WHERE NOT s.b IN (1,2) OR s.c BETWEEN 1 AND 2", "SELECT CASE WHEN a THEN 1 ELSE 2 END FROM S3Object",
		"SELECT SUBSTRING(a FROM 2 FOR 3), TRIM(BOTH 'x' FROM b), DATE_ADD(year, 1, TO_TIMESTAMP(c)) FROM S3Object", "SELECT to_string(UTCNOW(), 'yyyy-MM') FROM S3Object"} {
		f.Add(q, "a,b,c\n1,2,3\n\"x\"\"y\",z,2026-01-01T\n")
	}
	f.Fuzz(func(t *testing.T, query, data string) {
		for _, kind := range []string{"csv", "json", "lines"} {
			_, err := run(query, kind, data, Format{Header: "USE"})
			var own *Error
			if err != nil && !errors.As(err, &own) {
				t.Fatalf("%s: an error of another kind: %v", kind, err)
			}
		}
	})
}
