// Package sql is the SQL of S3 Select: it parses a query, reads the records of an
// object (CSV, JSON, Parquet), and writes those that the query asks for.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-select-sql-reference.html
//
// What differs from AWS on purpose: a text that is compared or reckoned with as a
// number counts as one if it reads as one, also where AWS asks for a CAST; and
// numbers that are not whole are 64-bit floats, decimals too.
package sql

import "fmt"

// An Error is a query or an object that cannot be done, by S3's code for it.
type Error struct{ Code, Message string }

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func fault(code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// A Query is a parsed SELECT. It holds the state of its aggregates, so it is for one
// run.
type Query struct {
	columns    []column // none: *
	from       []step   // below the record, for JSON
	alias      string
	where      node
	limit      int64 // -1: none
	aggregates []*aggregate
	taken      int64
}

type column struct {
	expr node
	name string
	all  bool // alias.*
}

// A Row is what a query made of a record: names and values, in order.
type Row struct {
	Names  []string
	Values []any
}

// Done reports whether the query's LIMIT has been reached.
func (q *Query) Done() bool {
	return q.limit >= 0 && q.taken >= q.limit && len(q.aggregates) == 0
}

// Take shows the query a record. It returns the row that the record became, nil if
// none.
func (q *Query) Take(rec any) (*Row, error) {
	if q.Done() {
		return nil, nil
	}
	e := &env{query: q, record: rec}
	if q.where != nil {
		v, err := q.where.eval(e)
		if err != nil {
			return nil, err
		}
		if b, ok := v.(bool); !ok || !b {
			return nil, nil
		}
	}
	q.taken++
	if len(q.aggregates) > 0 {
		for _, a := range q.aggregates {
			if err := a.add(e); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	return q.row(e)
}

// End returns the row of a query's aggregates, nil for a query without.
func (q *Query) End() (*Row, error) {
	if len(q.aggregates) == 0 || q.limit == 0 {
		return nil, nil
	}
	return q.row(&env{query: q, record: missing})
}

// row works the select list out.
func (q *Query) row(e *env) (*Row, error) {
	if len(q.columns) == 0 {
		return whole(e.record), nil
	}
	r := &Row{}
	for i, c := range q.columns {
		if c.all {
			all := whole(e.record)
			r.Names, r.Values = append(r.Names, all.Names...), append(r.Values, all.Values...)
			continue
		}
		v, err := c.expr.eval(e)
		if err != nil {
			return nil, err
		}
		name := c.name
		if name == "" {
			name = fmt.Sprintf("_%d", i+1)
		}
		r.Names, r.Values = append(r.Names, name), append(r.Values, v)
	}
	return r, nil
}

// whole is a record as it is.
func whole(rec any) *Row {
	switch rec := rec.(type) {
	case *Object:
		return &Row{rec.Names, rec.Values}
	case *Fields:
		r := &Row{}
		for i, f := range rec.Values {
			r.Names, r.Values = append(r.Names, rec.name(i)), append(r.Values, f)
		}
		return r
	}
	return &Row{[]string{"_1"}, []any{rec}}
}

// Records are the records that the query's FROM finds in a document: the document
// itself, or what its path leads to.
func (q *Query) Records(doc any, yield func(any) error) error { return follow(doc, q.from, yield) }

func follow(v any, path []step, yield func(any) error) error {
	if len(path) == 0 {
		return yield(v)
	}
	if path[0].every {
		list, ok := v.([]any)
		if !ok { // what is no list counts as one of itself
			return follow(v, path[1:], yield)
		}
		for _, x := range list {
			if err := follow(x, path[1:], yield); err != nil {
				return err
			}
		}
		return nil
	}
	return follow(path[0].of(v), path[1:], yield)
}
