package dynamodb

import (
	"context"
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// countingStore counts the times that somebody reads.
type countingStore struct {
	store.Store
	views int
}

func (c *countingStore) View(ctx context.Context, fn func(store.Reader) error) error {
	c.views++
	return c.Store.View(ctx, fn)
}

// Guards of operations on items read nothing: a table's key is known after its first
// use, and its tags wait until a policy asks.
func TestGuardsReadNothing(t *testing.T) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	counted := &countingStore{Store: h.Store}
	s := New(Options{Store: counted, Clock: h.Clock, Random: h.Random})
	ctx := h.Context(t.Context())
	name, key, hash, kind, mode := "table", "id", "HASH", "S", "PAY_PER_REQUEST"
	if _, err := s.createTable(ctx, &api.CreateTableInput{TableName: &name, BillingMode: &mode,
		KeySchema:            []api.KeySchemaElement{{AttributeName: &key, KeyType: &hash}},
		AttributeDefinitions: []api.AttributeDefinition{{AttributeName: &key, AttributeType: &kind}},
		Tags:                 []api.Tag{{Key: &key, Value: &kind}}}); err != nil {
		t.Fatal(err)
	}
	it := api.Item{{Name: "id", Value: api.String("a")}, {Name: "v", Value: api.Number("1")}}
	if _, err := s.putItem(ctx, &api.PutItemInput{TableName: &name, Item: it}); err != nil {
		t.Fatal(err)
	}
	before := counted.views
	put, err := of(s, s.putTargets)(ctx, &api.PutItemInput{TableName: &name, Item: it})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := of(s, s.getTargets)(ctx, &api.GetItemInput{TableName: &name, Key: it[:1]}); err != nil {
		t.Fatal(err)
	}
	if n := counted.views - before; n != 0 {
		t.Errorf("the guards of PutItem and GetItem read %d times", n)
	}
	if tags, err := put[0].Tags(ctx); err != nil || tags["id"] != "S" || counted.views-before != 1 {
		t.Errorf("its tags are %v, %v, after %d reads", tags, err, counted.views-before)
	}
}
