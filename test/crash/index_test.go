package crash

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestKillFilledIndex adds an index to a table of many items and kills Tule again and again
// while it is filled, as items are written: at the end it holds each item once, as it is.
func TestKillFilledIndex(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	db := dynamodb.NewFromConfig(config(house, "test", "test", ""))
	definition := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	schema := func(name string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &name, KeyType: types.KeyTypeHash}}
	}
	const items = 20000
	_, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String("things"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{definition("id", types.ScalarAttributeTypeS)}, KeySchema: schema("id")})
	try(t, err)
	put := func(from, to, n int) {
		t.Helper()
		var list []types.WriteRequest
		for i := from; i < to; i++ {
			list = append(list, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
				"id": &types.AttributeValueMemberS{Value: fmt.Sprint("i", i)}, "n": &types.AttributeValueMemberN{Value: fmt.Sprint(n)}}}})
		}
		_, err := db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"things": list}})
		try(t, err)
	}
	for i := 0; i < items; i += 25 {
		put(i, i+25, 0)
	}
	_, err = db.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{TableName: aws.String("things"), AttributeDefinitions: []types.AttributeDefinition{definition("n", types.ScalarAttributeTypeN)},
		GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: aws.String("byn"), KeySchema: schema("n"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}}}})
	try(t, err)
	cut := 0 // kills while the index was not complete
	described := func() types.GlobalSecondaryIndexDescription {
		t.Helper()
		out, err := db.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("things")})
		try(t, err)
		return out.Table.GlobalSecondaryIndexes[0]
	}
	moved := 0
	for range 6 {
		put(moved, moved+25, 1)
		moved += 25
		d := described()
		if d.IndexStatus != types.IndexStatusActive {
			cut++
		}
		t.Logf("killed with %d of %d entries, %s", aws.ToInt64(d.ItemCount), items, d.IndexStatus)
		house.Kill()
		house = start(t, data)
		db = dynamodb.NewFromConfig(config(house, "test", "test", ""))
	}
	if cut == 0 {
		t.Error("no kill came while the index was filled")
	}
	for limit := time.Now().Add(time.Minute); described().IndexStatus != types.IndexStatusActive; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the index is never filled")
		}
	}
	for n, want := range []int{items - moved, moved} {
		got := map[string]bool{}
		pages := dynamodb.NewQueryPaginator(db, &dynamodb.QueryInput{TableName: aws.String("things"), IndexName: aws.String("byn"), KeyConditionExpression: aws.String("n = :n"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":n": &types.AttributeValueMemberN{Value: fmt.Sprint(n)}}})
		count := 0
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			try(t, err)
			for _, it := range page.Items {
				got[it["id"].(*types.AttributeValueMemberS).Value] = true
				count++
			}
		}
		if len(got) != want || count != want {
			t.Errorf("of %d there are %d entries, %d different ones, want %d", n, count, len(got), want)
		}
	}
	try(t, house.Stop())
}
