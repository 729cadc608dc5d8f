package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/dynamodb/value"
)

func schema(names ...string) []api.KeySchemaElement {
	kinds := []string{"HASH", "RANGE"}
	var out []api.KeySchemaElement
	for i, n := range names {
		out = append(out, api.KeySchemaElement{AttributeName: &n, KeyType: &kinds[i]})
	}
	return out
}

func defined(pairs ...string) []api.AttributeDefinition {
	var out []api.AttributeDefinition
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, api.AttributeDefinition{AttributeName: &pairs[i], AttributeType: &pairs[i+1]})
	}
	return out
}

// indexed makes the table "things" with every sort of index.
func indexed(t testing.TB, s *Service, ctx context.Context) {
	t.Helper()
	_, err := s.createTable(ctx, &api.CreateTableInput{TableName: ptr("things"), BillingMode: ptr("PAY_PER_REQUEST"),
		AttributeDefinitions: defined("h", "S", "r", "N", "a", "S", "b", "N"), KeySchema: schema("h", "r"),
		GlobalSecondaryIndexes: []api.GlobalSecondaryIndex{
			{IndexName: ptr("all"), KeySchema: schema("a", "b"), Projection: &api.Projection{ProjectionType: ptr("ALL")}},
			{IndexName: ptr("some"), KeySchema: schema("b"), Projection: &api.Projection{ProjectionType: ptr("INCLUDE"), NonKeyAttributes: []string{"c"}}},
			{IndexName: ptr("turned"), KeySchema: schema("r", "h"), Projection: &api.Projection{ProjectionType: ptr("KEYS_ONLY")}}},
		LocalSecondaryIndexes: []api.LocalSecondaryIndex{
			{IndexName: ptr("local"), KeySchema: schema("h", "a"), Projection: &api.Projection{ProjectionType: ptr("KEYS_ONLY")}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// plain is the table without a store: what it holds, by key.
type plain map[string]api.Item

func plainKey(it api.Item) string {
	h, _ := it.Get("h")
	r, _ := it.Get("r")
	return h.Text() + "/" + r.Text()
}

// randomItem is an item that some indexes hold, and others do not.
func randomItem(r *rand.Rand) api.Item {
	it := api.Item{}
	it.Set("h", api.String(string(rune('p'+r.IntN(3)))))
	it.Set("r", api.Number(fmt.Sprint(r.IntN(8)-3)))
	for _, n := range []string{"c", "d"} {
		if r.IntN(2) == 0 {
			it.Set(n, api.String(fmt.Sprint(r.IntN(3))))
		}
	}
	if r.IntN(3) > 0 {
		it.Set("a", api.String(string(rune('x'+r.IntN(3)))))
	}
	if r.IntN(3) > 0 {
		it.Set("b", api.Number(fmt.Sprint(r.IntN(5)-2)))
	}
	return it
}

// step writes at random, in one of all ways to write, both to the service and to the model.
func (m plain) step(t *testing.T, s *Service, ctx context.Context, r *rand.Rand) {
	t.Helper()
	it := randomItem(r)
	key := api.Item{}
	for _, n := range []string{"h", "r"} {
		v, _ := it.Get(n)
		key.Set(n, v)
	}
	other := randomItem(r)
	var err error
	switch r.IntN(6) {
	case 0:
		_, err = s.putItem(ctx, &api.PutItemInput{TableName: ptr("things"), Item: it})
		m[plainKey(it)] = it
	case 1:
		_, err = s.deleteItem(ctx, &api.DeleteItemInput{TableName: ptr("things"), Key: key})
		delete(m, plainKey(it))
	case 2:
		v := api.String(string(rune('x' + r.IntN(3))))
		_, err = s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("things"), Key: key, UpdateExpression: ptr("SET a = :a REMOVE b"), ExpressionAttributeValues: api.Item{{Name: ":a", Value: v}}})
		was := key.Clone()
		if old := m[plainKey(it)]; old != nil {
			was = old.Clone()
		}
		was.Set("a", v)
		was.Remove("b")
		m[plainKey(it)] = was
	case 3:
		_, err = s.updateItem(ctx, &api.UpdateItemInput{TableName: ptr("things"), Key: key, AttributeUpdates: map[string]api.AttributeValueUpdate{"b": {Action: ptr("ADD"), Value: ptr(api.Number("1"))}}})
		was := key.Clone()
		if old := m[plainKey(it)]; old != nil {
			was = old.Clone()
		}
		n := 0
		if b, ok := was.Get("b"); ok {
			fmt.Sscan(b.Text(), &n)
		}
		was.Set("b", api.Number(fmt.Sprint(n+1)))
		m[plainKey(it)] = was
	case 4:
		if plainKey(it) == plainKey(other) {
			return
		}
		_, err = s.batchWriteItem(ctx, &api.BatchWriteItemInput{RequestItems: map[string][]api.WriteRequest{"things": {{PutRequest: &api.PutRequest{Item: other}}, {DeleteRequest: &api.DeleteRequest{Key: key}}}}})
		m[plainKey(other)] = other
		delete(m, plainKey(it))
	case 5:
		if plainKey(it) == plainKey(other) {
			return
		}
		_, err = s.transactWriteItems(ctx, &api.TransactWriteItemsInput{TransactItems: []api.TransactWriteItem{{Put: &api.Put{TableName: ptr("things"), Item: it}}, {Put: &api.Put{TableName: ptr("things"), Item: other}}}})
		m[plainKey(it)], m[plainKey(other)] = it, other
	}
	if err != nil {
		t.Fatal(err)
	}
}

// entries are what an index should hold of one partition, in its order.
func (m plain) entries(t *table, ix *index, hash *api.AttributeValue) []api.Item {
	var out []api.Item
	for _, it := range m {
		if !ix.holds(it) {
			continue
		}
		if v, _ := it.Get(ix.Hash.Name); hash != nil && !value.Equal(v, *hash) {
			continue
		}
		var part api.Item
		for _, a := range it {
			if ix.projects(t, a.Name) {
				part = append(part, a)
			}
		}
		out = append(out, part)
	}
	slices.SortFunc(out, func(a, b api.Item) int {
		if ix.Range == nil {
			return 0
		}
		x, _ := a.Get(ix.Range.Name)
		y, _ := b.Get(ix.Range.Name)
		order, _ := value.Compare(x, y)
		return order
	})
	return out
}

// Random writes of all sorts leave every index as a plain model of it, page by page, in both
// directions.
func TestIndexesAgainstModel(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	ctx := h.Context(t.Context())
	indexed(t, s, ctx)
	r := rand.New(rand.NewPCG(3, 4))
	m := plain{}
	for round := range 30 {
		for range 20 {
			m.step(t, s, ctx, r)
		}
		if round == 15 {
			_, err := s.updateTable(ctx, &api.UpdateTableInput{TableName: ptr("things"), AttributeDefinitions: defined("c", "S"), GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{
				{Create: &api.CreateGlobalSecondaryIndexAction{IndexName: ptr("late"), KeySchema: schema("c"), Projection: &api.Projection{ProjectionType: ptr("ALL")}}}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		m.check(t, s, ctx, r)
	}
	if len(m) < 10 {
		t.Fatalf("%d items make no test", len(m))
	}
}

func (m plain) check(t *testing.T, s *Service, ctx context.Context, r *rand.Rand) {
	t.Helper()
	tab, err := s.peek(ctx, ptr("things"))
	if err != nil {
		t.Fatal(err)
	}
	described, err := s.describeTable(ctx, &api.DescribeTableInput{TableName: ptr("things")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range tab.Indexes {
		ix := &tab.Indexes[i]
		got := scanAll(t, s, ctx, &ix.Name, r.IntN(4)+1)
		want := m.entries(tab, ix, nil)
		sameItems(t, ix.Name, got, want, false)
		for _, d := range described.Table.GlobalSecondaryIndexes {
			if *d.IndexName == ix.Name && *d.ItemCount != int64(len(want)) {
				t.Errorf("%s has %d entries, want %d", ix.Name, *d.ItemCount, len(want))
			}
		}
		for _, it := range want {
			hash, _ := it.Get(ix.Hash.Name)
			got := queryAll(t, s, ctx, ix, hash, r.IntN(4)+1, false)
			sameItems(t, ix.Name, got, m.entries(tab, ix, &hash), true)
			back := queryAll(t, s, ctx, ix, hash, r.IntN(4)+1, true)
			slices.Reverse(back)
			for i := range back {
				if !value.EqualItems(back[i], got[i]) {
					t.Fatalf("%s backwards is %v, forwards %v", ix.Name, back, got)
				}
			}
		}
	}
}

func scanAll(t *testing.T, s *Service, ctx context.Context, name *string, limit int) (out []api.Item) {
	t.Helper()
	for segment := range int32(3) {
		for in := (&api.ScanInput{TableName: ptr("things"), IndexName: name, Limit: ptr(int32(limit)), Segment: &segment, TotalSegments: ptr(int32(3))}); ; {
			page, err := s.scan(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, page.Items...)
			if in.ExclusiveStartKey = page.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				break
			}
		}
	}
	return out
}

func queryAll(t *testing.T, s *Service, ctx context.Context, ix *index, hash api.AttributeValue, limit int, back bool) (out []api.Item) {
	t.Helper()
	for in := (&api.QueryInput{TableName: ptr("things"), IndexName: &ix.Name, Limit: ptr(int32(limit)), ScanIndexForward: ptr(!back),
		KeyConditions: map[string]api.Condition{ix.Hash.Name: {ComparisonOperator: ptr("EQ"), AttributeValueList: []api.AttributeValue{hash}}}}); ; {
		page, err := s.query(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page.Items...)
		if in.ExclusiveStartKey = page.LastEvaluatedKey; in.ExclusiveStartKey == nil {
			return out
		}
	}
}

// sameItems compares items; where keys are equal, either order will do.
func sameItems(t *testing.T, what string, got, want []api.Item, ordered bool) {
	t.Helper()
	text := func(items []api.Item) []string {
		var out []string
		for _, it := range items {
			b, err := it.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(b))
		}
		return out
	}
	g, w := text(got), text(want)
	if ordered {
		ranks := func(items []api.Item) (out []string) {
			for _, it := range items {
				b, _ := it.Get("b")
				out = append(out, b.Text())
			}
			return out
		}
		if what == "all" && !slices.Equal(ranks(got), ranks(want)) {
			t.Fatalf("%s is in the order %v, want %v", what, ranks(got), ranks(want))
		}
	}
	slices.SortFunc(g, cmp.Compare[string])
	slices.SortFunc(w, cmp.Compare[string])
	if !slices.Equal(g, w) {
		t.Fatalf("%s holds\n%q, want\n%q", what, g, w)
	}
}

// What lies in the store for a table with indexes is no more than its items and the
// entries, and is gone when the table is.
func TestIndexesLeaveNothing(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s := New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
	ctx := h.Context(t.Context())
	indexed(t, s, ctx)
	r, m := rand.New(rand.NewPCG(1, 1)), plain{}
	for range 200 {
		m.step(t, s, ctx, r)
	}
	if _, err := s.deleteTable(ctx, &api.DeleteTableInput{TableName: ptr("things")}); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, h.Store); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}

func entries(t *testing.T, st store.Store) (n int) {
	t.Helper()
	err := st.View(t.Context(), func(r store.Reader) error {
		n = 0
		for _, err := range entryRecords.All(t.Context(), r) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An index added to a large table is filled in the background while items are written, is
// taken up where a process left it, and then holds what it must.
func TestFill(t *testing.T) {
	d := newDock(t)
	d.stop()
	d.table("things", 1000)
	out, err := d.s.updateTable(d.ctx(), &api.UpdateTableInput{TableName: ptr("things"), AttributeDefinitions: defined("n", "N"), GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{
		{Create: &api.CreateGlobalSecondaryIndexAction{IndexName: ptr("byn"), KeySchema: schema("n"), Projection: &api.Projection{ProjectionType: ptr("KEYS_ONLY")}}}}})
	if err != nil || *out.TableDescription.GlobalSecondaryIndexes[0].IndexStatus != "CREATING" {
		t.Fatal(err)
	}
	byn := &api.QueryInput{TableName: ptr("things"), IndexName: ptr("byn"), KeyConditions: map[string]api.Condition{"n": {ComparisonOperator: ptr("EQ"), AttributeValueList: []api.AttributeValue{api.Number("7")}}}}
	if _, err := d.s.query(d.ctx(), byn); err == nil || err.(*aws.Error).Message != "Cannot read from backfilling global secondary index: byn" {
		t.Errorf("%v", err)
	}
	described := func() *api.TableDescription {
		got, err := d.s.describeTable(d.ctx(), &api.DescribeTableInput{TableName: ptr("things")})
		if err != nil {
			t.Fatal(err)
		}
		return got.Table
	}
	if got := described(); *got.TableStatus != "UPDATING" || !*got.GlobalSecondaryIndexes[0].Backfilling || *got.GlobalSecondaryIndexes[0].ItemCount >= 1000 {
		t.Errorf("%s, %d entries", *got.TableStatus, *got.GlobalSecondaryIndexes[0].ItemCount)
	}
	_, err = d.s.updateTable(d.ctx(), &api.UpdateTableInput{TableName: ptr("things"), AttributeDefinitions: defined("e", "N"), GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{
		{Create: &api.CreateGlobalSecondaryIndexAction{IndexName: ptr("bye"), KeySchema: schema("e"), Projection: &api.Projection{ProjectionType: ptr("KEYS_ONLY")}}}}})
	if aws.CodeOf(err) != "LimitExceededException" {
		t.Errorf("a second index beside it: %v", err)
	}
	// Some batches, as by a process that is killed then.
	at, err := own(d.ctx(), ptr("things"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := d.s.update(d.ctx(), func(tx store.Tx, _ *store.Numbers) error {
			tab, ix, f, err := d.s.filling(d.ctx(), tx, at, "byn")
			if err != nil {
				return err
			}
			if _, err := f.enter(d.ctx(), tx, at, tab, ix); err != nil {
				return err
			}
			return fillRecords.Put(tx, at.scope, f, "things", "byn")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := *described().GlobalSecondaryIndexes[0].ItemCount
	if before < 300 || before >= 1000 {
		t.Errorf("%d entries before the end", before)
	}
	d.run()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < 1000; i += 40 {
				key := api.Item{{Name: "id", Value: api.String(fmt.Sprint("i", i))}}
				if _, err := d.s.deleteItem(d.beside(), &api.DeleteItemInput{TableName: ptr("things"), Key: key}); err != nil {
					t.Error(err)
				}
				it := api.Item{{Name: "id", Value: api.String(fmt.Sprint("j", i))}, {Name: "n", Value: api.Number(fmt.Sprint(i))}}
				if _, err := d.s.putItem(d.beside(), &api.PutItemInput{TableName: ptr("things"), Item: it}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	d.until("the index", func() bool { return *described().GlobalSecondaryIndexes[0].IndexStatus == "ACTIVE" })
	if got := described(); *got.TableStatus != "ACTIVE" || got.GlobalSecondaryIndexes[0].Backfilling != nil || *got.GlobalSecondaryIndexes[0].ItemCount != *got.ItemCount {
		t.Errorf("%s, %d entries of %d items", *got.TableStatus, *got.GlobalSecondaryIndexes[0].ItemCount, *got.ItemCount)
	}
	for i := range 1000 {
		byn.KeyConditions["n"] = api.Condition{ComparisonOperator: ptr("EQ"), AttributeValueList: []api.AttributeValue{api.Number(fmt.Sprint(i))}}
		out, err := d.s.query(d.ctx(), byn)
		if err != nil || len(out.Items) != 1 {
			t.Fatalf("%d: %v, %v", i, out, err)
		}
		want := fmt.Sprint("i", i)
		if i%40 < 4 {
			want = fmt.Sprint("j", i)
		}
		if id, _ := out.Items[0].Get("id"); id.Text() != want {
			t.Fatalf("%d is %s, want %s", i, id.Text(), want)
		}
	}
}

// An index that is deleted while it is filled leaves nothing, and does not stop others.
func TestFillDeleted(t *testing.T) {
	d := newDock(t)
	d.stop()
	d.table("things", 300)
	create := func() {
		t.Helper()
		_, err := d.s.updateTable(d.ctx(), &api.UpdateTableInput{TableName: ptr("things"), AttributeDefinitions: defined("n", "N"), GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{
			{Create: &api.CreateGlobalSecondaryIndexAction{IndexName: ptr("byn"), KeySchema: schema("n"), Projection: &api.Projection{ProjectionType: ptr("ALL")}}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	create()
	if _, err := d.s.updateTable(d.ctx(), &api.UpdateTableInput{TableName: ptr("things"), GlobalSecondaryIndexUpdates: []api.GlobalSecondaryIndexUpdate{{Delete: &api.DeleteGlobalSecondaryIndexAction{IndexName: ptr("byn")}}}}); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, d.house.Store); n != 0 {
		t.Errorf("%d entries are left", n)
	}
	create()
	d.run()
	d.until("the index", func() bool { return entries(t, d.house.Store) == 300 })
	if _, err := d.s.deleteTable(d.ctx(), &api.DeleteTableInput{TableName: ptr("things")}); err != nil {
		t.Fatal(err)
	}
	if n := entries(t, d.house.Store); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}
