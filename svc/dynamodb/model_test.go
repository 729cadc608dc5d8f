package dynamodb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

func ptr[T any](v T) *T { return &v }

// house is a service with the table of post 5, "movies", and a caller.
func house(t testing.TB) (*Service, context.Context) {
	t.Helper()
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	ctx := h.Context(t.Context())
	movies(t, s, ctx)
	return s, ctx
}

func movies(t testing.TB, s *Service, ctx context.Context) {
	t.Helper()
	_, err := s.createTable(ctx, &api.CreateTableInput{TableName: ptr("movies"), BillingMode: ptr(api.BillingModePayPerRequest),
		AttributeDefinitions: []api.AttributeDefinition{{AttributeName: ptr("year"), AttributeType: ptr("N")}, {AttributeName: ptr("title"), AttributeType: ptr("S")}},
		KeySchema:            []api.KeySchemaElement{{AttributeName: ptr("year"), KeyType: ptr("HASH")}, {AttributeName: ptr("title"), KeyType: ptr("RANGE")}}})
	if err != nil {
		t.Fatal(err)
	}
}

func movieKey(year int, title string) api.Item {
	return api.Item{{Name: "title", Value: api.String(title)}, {Name: "year", Value: api.Number(fmt.Sprint(year))}}
}

// model is what the table should hold, by the text of the key.
type model map[string]api.Item

func keyOf(it api.Item) string {
	year, _ := it.Get("year")
	title, _ := it.Get("title")
	return year.Text() + "/" + title.Text()
}

// Random operations leave the table and a plain map alike.
func TestAgainstModel(t *testing.T) {
	s, ctx := house(t)
	r := rand.New(rand.NewPCG(7, 8))
	m := model{}
	for range 2000 {
		key := movieKey(r.IntN(4)-1, strings.Repeat("x", r.IntN(5))+string(rune('a'+r.IntN(3))))
		m.step(t, s, ctx, r, key)
	}
	if len(m) < 10 {
		t.Fatalf("%d items make no test", len(m))
	}
	m.checkScan(t, s, ctx, r)
	for year := -1; year < 3; year++ {
		m.checkQueries(t, s, ctx, r, year)
	}
	var size int64
	for _, it := range m {
		size += int64(value.ItemSize(it))
	}
	out, err := s.describeTable(ctx, &api.DescribeTableInput{TableName: ptr("movies")})
	if err != nil || *out.Table.ItemCount != int64(len(m)) || *out.Table.TableSizeBytes != size {
		t.Errorf("%d items of %d bytes, %v; want %d of %d", *out.Table.ItemCount, *out.Table.TableSizeBytes, err, len(m), size)
	}
}

func (m model) step(t *testing.T, s *Service, ctx context.Context, r *rand.Rand, key api.Item) {
	t.Helper()
	old := m[keyOf(key)]
	n := r.IntN(5)
	condition, met := (*string)(nil), true
	if r.IntN(2) == 0 {
		condition, met = ptr("attribute_exists(n)"), old.Has("n")
	}
	var err error
	var got, want api.Item
	switch r.IntN(4) {
	case 0, 1:
		it := key.Clone()
		it.Set("n", api.Number(fmt.Sprint(n)))
		want = old
		var out *api.PutItemOutput
		if out, err = s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it, ConditionExpression: condition, ReturnValues: ptr("ALL_OLD")}); err == nil {
			got = out.Attributes
		}
		if met {
			m[keyOf(key)] = it
		}
	case 2:
		it := added(key, old, n)
		want = it
		var out *api.UpdateItemOutput
		if out, err = s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("movies"), Key: key, ConditionExpression: condition, ReturnValues: ptr("ALL_NEW"),
			UpdateExpression: ptr("ADD n :n"), ExpressionAttributeValues: api.Item{{Name: ":n", Value: api.Number(fmt.Sprint(n))}}}); err == nil {
			got = out.Attributes
		}
		if met {
			m[keyOf(key)] = it
		}
	case 3:
		want = old
		var out *api.DeleteItemOutput
		if out, err = s.deleteItem(ctx, &api.DeleteItemInput{TableName: ptr("movies"), Key: key, ConditionExpression: condition, ReturnValues: ptr("ALL_OLD")}); err == nil {
			got = out.Attributes
		}
		if met {
			delete(m, keyOf(key))
		}
	}
	if !met {
		if aws.CodeOf(err) != "ConditionalCheckFailedException" {
			t.Fatalf("%v: %v", key, err)
		}
		return
	}
	if err != nil || !value.EqualItems(got, want) {
		t.Fatalf("%v: %v, %v; want %v", key, got, err, want)
	}
}

// added is what ADD n makes of an item that may be there.
func added(key, old api.Item, n int) api.Item {
	it := key.Clone()
	if old != nil {
		it = old.Clone()
	}
	have := 0
	if v, ok := old.Get("n"); ok {
		fmt.Sscan(v.Text(), &have)
	}
	it.Set("n", api.Number(fmt.Sprint(have+n)))
	return it
}

// checkScan reads all segments, page by page, and wants every item once.
func (m model) checkScan(t *testing.T, s *Service, ctx context.Context, r *rand.Rand) {
	t.Helper()
	const segments = 3
	seen := model{}
	for segment := range int32(segments) {
		var start api.Item
		for {
			out, err := s.scan(ctx, &api.ScanInput{TableName: ptr("movies"), Segment: &segment, TotalSegments: ptr(int32(segments)),
				Limit: ptr(int32(1 + r.IntN(3))), ExclusiveStartKey: start})
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range out.Items {
				if seen[keyOf(it)] != nil {
					t.Errorf("%s came twice", keyOf(it))
				}
				seen[keyOf(it)] = it
			}
			if start = out.LastEvaluatedKey; start == nil {
				break
			}
		}
	}
	if len(seen) != len(m) {
		t.Errorf("a scan found %d items of %d", len(seen), len(m))
	}
	for k, it := range m {
		if !value.EqualItems(seen[k], it) {
			t.Errorf("%s: %v, want %v", k, seen[k], it)
		}
	}
}

// checkQueries asks for the items of one year by random sort-key conditions, in
// both directions and in pages, and wants what the map has.
func (m model) checkQueries(t *testing.T, s *Service, ctx context.Context, r *rand.Rand, year int) {
	t.Helper()
	var all []api.Item
	for _, it := range m {
		if v, _ := it.Get("year"); v.Text() == fmt.Sprint(year) {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b api.Item) int {
		x, _ := a.Get("title")
		y, _ := b.Get("title")
		return strings.Compare(x.Text(), y.Text())
	})
	operators := []string{"EQ", "LT", "LE", "GT", "GE", "BEGINS_WITH", "BETWEEN"}
	for range 60 {
		op := operators[r.IntN(len(operators))]
		values := []api.AttributeValue{api.String(strings.Repeat("x", r.IntN(4)) + "a"), api.String("xxxb")}
		if op != "BETWEEN" {
			values = values[:1]
		}
		forward := r.IntN(2) == 0
		in := &api.QueryInput{TableName: ptr("movies"), ScanIndexForward: &forward, Limit: ptr(int32(1 + r.IntN(4))), KeyConditions: map[string]api.Condition{
			"year":  {ComparisonOperator: ptr("EQ"), AttributeValueList: []api.AttributeValue{api.Number(fmt.Sprint(year))}},
			"title": {ComparisonOperator: &op, AttributeValueList: values}}}
		var got, want []string
		for {
			out, err := s.query(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range out.Items {
				got = append(got, keyOf(it))
			}
			if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				break
			}
		}
		for _, it := range all {
			if expression.Compare("title", op, values).Matches(it) {
				want = append(want, keyOf(it))
			}
		}
		if !forward {
			slices.Reverse(want)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s %v, forward %v: %v, want %v", op, values, forward, got, want)
		}
	}
}

// Many writers of one counter lose nothing, and those of different items do not
// wait for each other for ever.
func TestConcurrentUpdates(t *testing.T) {
	s, ctx := house(t)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 25 {
				_, err := s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("movies"), Key: movieKey(1, "counter"), UpdateExpression: ptr("ADD n :n"),
					ExpressionAttributeValues: api.Item{{Name: ":n", Value: api.Number("1")}}})
				if err != nil {
					t.Error(err)
				}
				if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: movieKey(w, fmt.Sprint(i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	out, err := s.getItem(ctx, &api.GetItemInput{TableName: ptr("movies"), Key: movieKey(1, "counter")})
	if n, _ := out.Item.Get("n"); err != nil || n.Text() != "200" {
		t.Errorf("%v, %v", n, err)
	}
	scan, err := s.scan(ctx, &api.ScanInput{TableName: ptr("movies"), Select: ptr("COUNT")})
	if err != nil || *scan.Count != 201 {
		t.Errorf("%d items, %v", *scan.Count, err)
	}
}

// An item counts up to 400 KB and no further, and a page ends at 1 MB.
func TestSizes(t *testing.T) {
	s, ctx := house(t)
	big := func(title string, size int) api.Item {
		it := movieKey(1, title)
		it.Set("d", api.String(""))
		it.Set("d", api.String(strings.Repeat("x", size-value.ItemSize(it))))
		return it
	}
	for i := range 4 {
		if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: big(fmt.Sprint(i), maxItem)}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: big("4", maxItem+1)})
	if err == nil || err.Error() != "ValidationException: Item size has exceeded the maximum allowed size" {
		t.Error(err)
	}
	_, err = s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("movies"), Key: movieKey(1, "0"), UpdateExpression: ptr("ADD n :n"),
		ExpressionAttributeValues: api.Item{{Name: ":n", Value: api.Number("1")}}})
	if err == nil || err.Error() != "ValidationException: Item size to update has exceeded the maximum allowed size" {
		t.Error(err)
	}
	out, err := s.scan(ctx, &api.ScanInput{TableName: ptr("movies"), ReturnConsumedCapacity: ptr("TOTAL"), ConsistentRead: ptr(true)})
	if err != nil || len(out.Items) != 3 || out.LastEvaluatedKey == nil || *out.ConsumedCapacity.CapacityUnits != 300 {
		t.Errorf("%d items, %v", len(out.Items), err)
	}
	if out, err = s.scan(ctx, &api.ScanInput{TableName: ptr("movies"), ExclusiveStartKey: out.LastEvaluatedKey}); err != nil || len(out.Items) != 1 || out.LastEvaluatedKey != nil {
		t.Errorf("%d items, %v", len(out.Items), err)
	}
}

func TestShares(t *testing.T) {
	for _, total := range []uint64{2, 3, 7, 1000000} {
		last := uint64(0)
		for n := uint64(1); n < total; n = n*2 + 1 {
			at := share(n, total)
			if at <= last {
				t.Errorf("%d of %d begins at %d", n, total, at)
			}
			last = at
		}
	}
	if share(1, 2) != 1<<63 {
		t.Error(share(1, 2))
	}
}

func BenchmarkPutItem(b *testing.B) {
	s, ctx := house(b)
	it := movieKey(2015, "The Big New Movie")
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		it.Set(n, api.String(strings.Repeat(n, 110)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutItemParallel(b *testing.B) {
	s, ctx := house(b)
	b.SetParallelism(16)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		it := movieKey(rand.IntN(1<<30), "The Big New Movie")
		it.Set("a", api.String(strings.Repeat("x", 900)))
		for pb.Next() {
			if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetItem(b *testing.B) {
	s, ctx := house(b)
	it := movieKey(2015, "The Big New Movie")
	it.Set("a", api.String(strings.Repeat("x", 900)))
	if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: it}); err != nil {
		b.Fatal(err)
	}
	key := movieKey(2015, "The Big New Movie")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.getItem(ctx, &api.GetItemInput{TableName: ptr("movies"), Key: key}); err != nil {
			b.Fatal(err)
		}
	}
}
