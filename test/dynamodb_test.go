package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number[N int | string](n N) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

// table makes a table with a hash key «artist» and, if asked, a range key «year».
func (c *cloud) table(name string, ranged bool) *types.TableDescription {
	c.Helper()
	in := &dynamodb.CreateTableInput{
		TableName:            &name,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("artist"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("artist"), KeyType: types.KeyTypeHash}},
		BillingMode:          types.BillingModePayPerRequest,
	}
	if ranged {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("year"), AttributeType: types.ScalarAttributeTypeN})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("year"), KeyType: types.KeyTypeRange})
	}
	out := must(c.dynamo.CreateTable(ctx, in))(c)
	if err := dynamodb.NewTableExistsWaiter(c.dynamo, fast).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
		c.Fatal(err)
	}
	return out.TableDescription
}

// fast makes a table waiter ask often.
func fast(o *dynamodb.TableExistsWaiterOptions) {
	o.MinDelay, o.MaxDelay = 20*time.Millisecond, time.Second
}

func (c *cloud) put(table string, it item) {
	c.Helper()
	must(c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: it}))(c)
}

func (c *cloud) get(table string, key item) item {
	c.Helper()
	return must(c.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)}))(c).Item
}

func TestDynamoDBTables(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	made := c.table("songs", true)
	equal(t, "the ARN", *made.TableArn, c.arn("dynamodb", "table/songs"))
	_, err := c.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("songs"), AttributeDefinitions: made.AttributeDefinitions, KeySchema: made.KeySchema, BillingMode: types.BillingModePayPerRequest})
	fails[*types.ResourceInUseException](t, err, "Table already exists: songs")

	got := must(c.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: made.TableArn}))(t).Table
	equal(t, "the status", got.TableStatus, types.TableStatusActive)
	_, err = c.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("none")})
	fails[*types.ResourceNotFoundException](t, err, "Requested resource not found: Table: none not found")

	must(c.dynamo.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String("songs"), BillingMode: types.BillingModeProvisioned,
		ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(7), WriteCapacityUnits: aws.Int64(3)}}))(t)
	got = must(c.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("songs")}))(t).Table
	equal(t, "the read capacity", *got.ProvisionedThroughput.ReadCapacityUnits, 7)

	for _, n := range []string{"albums", "labels"} {
		c.table(n, false)
	}
	var names []string
	for pages := dynamodb.NewListTablesPaginator(c.dynamo, &dynamodb.ListTablesInput{Limit: aws.Int32(2)}); pages.HasMorePages(); {
		names = append(names, must(pages.NextPage(ctx))(t).TableNames...)
	}
	equal(t, "the list", strings.Join(names, " "), "albums labels songs")

	must(c.dynamo.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String("labels")}))(t)
	if err := dynamodb.NewTableNotExistsWaiter(c.dynamo, func(o *dynamodb.TableNotExistsWaiterOptions) { o.MinDelay = 20 * time.Millisecond }).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("labels")}, time.Minute); err != nil {
		t.Error(err)
	}
	_, err = c.dynamo.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String("labels")})
	fails[*types.ResourceNotFoundException](t, err, "Table: labels not found")
}

func TestDynamoDBTableSettings(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	arn := c.table("songs", false).TableArn
	must(c.dynamo.TagResource(ctx, &dynamodb.TagResourceInput{ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}, {Key: aws.String("tier"), Value: aws.String("1")}}}))(t)
	must(c.dynamo.UntagResource(ctx, &dynamodb.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"tier"}}))(t)
	tags := must(c.dynamo.ListTagsOfResource(ctx, &dynamodb.ListTagsOfResourceInput{ResourceArn: arn}))(t).Tags
	if len(tags) != 1 || *tags[0].Key != "team" || *tags[0].Value != "a" {
		t.Errorf("tags %v", tags)
	}
	_, err := c.dynamo.ListTagsOfResource(ctx, &dynamodb.ListTagsOfResourceInput{ResourceArn: aws.String(*arn + "x")})
	fails[*types.ResourceNotFoundException](t, err, "not found")

	ttl := &types.TimeToLiveSpecification{AttributeName: aws.String("ends"), Enabled: aws.Bool(true)}
	must(c.dynamo.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: aws.String("songs"), TimeToLiveSpecification: ttl}))(t)
	got := must(c.dynamo.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("songs")}))(t).TimeToLiveDescription
	equal(t, "the attribute", aws.ToString(got.AttributeName), "ends")
	_, err = c.dynamo.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: aws.String("songs"), TimeToLiveSpecification: ttl})
	refused(t, err, "ValidationException", "TimeToLive is already enabled")

	backups := must(c.dynamo.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String("songs")}))(t)
	equal(t, "point in time recovery", backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus, types.PointInTimeRecoveryStatusDisabled)
	limits := must(c.dynamo.DescribeLimits(ctx, &dynamodb.DescribeLimitsInput{}))(t)
	if aws.ToInt64(limits.TableMaxReadCapacityUnits) == 0 {
		t.Errorf("limits %v", limits)
	}
	ends := must(c.dynamo.DescribeEndpoints(ctx, &dynamodb.DescribeEndpointsInput{}))(t).Endpoints
	if len(ends) != 1 || aws.ToString(ends[0].Address) == "" {
		t.Errorf("endpoints %v", ends)
	}
}

func TestDynamoDBItems(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", true)
	key := item{"artist": text("Nina"), "year": number(1964)}
	whole := item{
		"artist": text("Nina"), "year": number(1964), "null": &types.AttributeValueMemberNULL{Value: true},
		"bytes": &types.AttributeValueMemberB{Value: []byte{0, 255}}, "yes": &types.AttributeValueMemberBOOL{Value: true},
		"big":  number("12345678901234567890123456789012345678"),
		"list": &types.AttributeValueMemberL{Value: []types.AttributeValue{text("é☃𝄞"), number("-0.000001")}},
		"map":  &types.AttributeValueMemberM{Value: item{"plays": number(1), "empty": text("")}},
		"tags": &types.AttributeValueMemberSS{Value: []string{"blues", "jazz"}},
	}
	c.put("songs", whole)
	got := c.get("songs", key)
	var back, want map[string]any
	if err := attributevalue.UnmarshalMap(got, &back); err != nil {
		t.Fatal(err)
	}
	if err := attributevalue.UnmarshalMap(whole, &want); err != nil {
		t.Fatal(err)
	}
	equal(t, "the item", fmt.Sprint(back), fmt.Sprint(want))
	equal(t, "38 digits", got["big"].(*types.AttributeValueMemberN).Value, "12345678901234567890123456789012345678")

	if none := c.get("songs", item{"artist": text("Nobody"), "year": number(1)}); none != nil {
		t.Errorf("an item that is not there: %v", none)
	}
	_, err := c.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("songs"), Key: item{"artist": text("Nina")}})
	refused(t, err, "ValidationException", "The provided key element does not match the schema")
	_, err = c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("songs"), Item: item{"artist": text("x")}})
	refused(t, err, "ValidationException", "Missing the key year in the item")
	_, err = c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("none"), Item: key})
	fails[*types.ResourceNotFoundException](t, err, "Requested resource not found")

	e := expr(t, expression.NewBuilder().
		WithUpdate(expression.Add(expression.Name("plays"), expression.Value(2)).Set(expression.Name("list[0]"), expression.Value("new")).
			Set(expression.Name("map.plays"), expression.Name("map.plays").Plus(expression.Value(1))).Remove(expression.Name("null"))).
		WithCondition(expression.Contains(expression.Name("tags"), "jazz")))
	changed := must(c.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: aws.String("songs"), Key: key, UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(), ReturnValues: types.ReturnValueUpdatedNew}))(t).Attributes
	var plays struct {
		Plays int            `dynamodbav:"plays"`
		Map   map[string]int `dynamodbav:"map"`
		List  []string       `dynamodbav:"list"`
	}
	if err := attributevalue.UnmarshalMap(changed, &plays); err != nil || plays.Plays != 2 || plays.Map["plays"] != 2 || plays.List[0] != "new" {
		t.Errorf("updated %+v, %v", plays, err)
	}
	_, err = c.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: aws.String("songs"), Key: key, UpdateExpression: aws.String("SET year = :y"),
		ExpressionAttributeValues: item{":y": number(1)}})
	refused(t, err, "ValidationException", "Attribute name is a reserved keyword; reserved keyword: year")
	e = expr(t, expression.NewBuilder().WithCondition(expression.Name("yes").Equal(expression.Value(false))))
	_, err = c.dynamo.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("songs"), Key: key, ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	failed := fails[*types.ConditionalCheckFailedException](t, err, "The conditional request failed")
	equal(t, "the old item in the error", len(failed.Item), len(c.get("songs", key)))
	out := must(c.dynamo.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("songs"), Key: key, ReturnValues: types.ReturnValueAllOld}))(t)
	equal(t, "the deleted year", out.Attributes["year"].(*types.AttributeValueMemberN).Value, "1964")
}

func expr(t testing.TB, b expression.Builder) expression.Expression {
	t.Helper()
	return must(b.Build())(t)
}

func TestDynamoDBQueryAndScan(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", true)
	for year := range 30 {
		c.put("songs", item{"artist": text("Nina"), "year": number(1960 + year), "even": &types.AttributeValueMemberBOOL{Value: year%2 == 0}})
	}
	c.put("songs", item{"artist": text("Ella"), "year": number(1956)})
	e := expr(t, expression.NewBuilder().
		WithKeyCondition(expression.Key("artist").Equal(expression.Value("Nina")).And(expression.Key("year").Between(expression.Value(1965), expression.Value(1984)))).
		WithFilter(expression.Name("even").Equal(expression.Value(true))).WithProjection(expression.NamesList(expression.Name("year"))))
	query := &dynamodb.QueryInput{TableName: aws.String("songs"), KeyConditionExpression: e.KeyCondition(), FilterExpression: e.Filter(), ProjectionExpression: e.Projection(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(), ScanIndexForward: aws.Bool(false), Limit: aws.Int32(6)}
	var years []string
	var scanned, pages int32
	for p := dynamodb.NewQueryPaginator(c.dynamo, query); p.HasMorePages(); pages++ {
		out := must(p.NextPage(ctx))(t)
		scanned += out.ScannedCount
		for _, it := range out.Items {
			equal(t, "the number of attributes", len(it), 1)
			years = append(years, it["year"].(*types.AttributeValueMemberN).Value)
		}
	}
	equal(t, "the years", strings.Join(years, " "), "1984 1982 1980 1978 1976 1974 1972 1970 1968 1966")
	equal(t, "the count of what was looked at", scanned, 20)
	equal(t, "the number of pages", pages, 4)

	all := 0
	for segment := range int32(3) {
		for p := dynamodb.NewScanPaginator(c.dynamo, &dynamodb.ScanInput{TableName: aws.String("songs"), Limit: aws.Int32(7), Segment: &segment, TotalSegments: aws.Int32(3)}); p.HasMorePages(); {
			all += len(must(p.NextPage(ctx))(t).Items)
		}
	}
	equal(t, "the number of items", all, 31)
	_, err := c.dynamo.Query(ctx, &dynamodb.QueryInput{TableName: aws.String("songs"), KeyConditionExpression: aws.String("title = :t"), ExpressionAttributeValues: item{":t": text("x")}})
	refused(t, err, "ValidationException", "Query condition missed key schema element: artist")
	_, err = c.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("songs"), FilterExpression: aws.String("even = ")})
	refused(t, err, "ValidationException", "Invalid FilterExpression: Syntax error")
}

func TestDynamoDBBatches(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", true)
	var writes []types.WriteRequest
	var keys []item
	for i := range 25 {
		k := item{"artist": text("Nina"), "year": number(i)}
		keys = append(keys, k)
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: k}})
	}
	out := must(c.dynamo.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"songs": writes}}))(t)
	equal(t, "what was left", len(out.UnprocessedItems), 0)
	_, err := c.dynamo.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"songs": append(writes, writes[0])}})
	refused(t, err, "ValidationException", "")
	_, err = c.dynamo.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"songs": {writes[0], writes[0]}}})
	refused(t, err, "ValidationException", "Provided list of item keys contains duplicates")
	_, err = c.dynamo.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"none": {Keys: keys[:1]}}})
	fails[*types.ResourceNotFoundException](t, err, "Requested resource not found")
	got := must(c.dynamo.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"songs": {Keys: append(keys, item{"artist": text("Nobody"), "year": number(0)})}}}))(t)
	equal(t, "the number of items", len(got.Responses["songs"]), 25)
}

func TestDynamoDBTransactions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("accounts", false)
	c.put("accounts", item{"artist": text("a"), "money": number(10)})
	c.put("accounts", item{"artist": text("b"), "money": number(0)})
	move := func(n int, token string) error {
		change := func(who, by string) types.TransactWriteItem {
			return types.TransactWriteItem{Update: &types.Update{TableName: aws.String("accounts"), Key: item{"artist": text(who)},
				UpdateExpression: aws.String("SET money = money " + by + " :n"), ConditionExpression: aws.String("attribute_exists(artist) AND money >= :least"),
				ExpressionAttributeValues: item{":n": number(n), ":least": number(map[string]int{"-": n, "+": 0}[by])}}}
		}
		_, err := c.dynamo.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{change("a", "-"), change("b", "+")}, ClientRequestToken: &token})
		return err
	}
	for range 2 { // the second has the same token, and does nothing
		if err := move(6, "same"); err != nil {
			t.Fatal(err)
		}
	}
	cancelled := fails[*types.TransactionCanceledException](t, move(6, "another"), "Transaction cancelled, please refer cancellation reasons for specific reasons [ConditionalCheckFailed, None]")
	equal(t, "the first reason", aws.ToString(cancelled.CancellationReasons[0].Code), "ConditionalCheckFailed")
	fails[*types.IdempotentParameterMismatchException](t, move(1, "same"), "")
	get := func(who string) types.TransactGetItem {
		return types.TransactGetItem{Get: &types.Get{TableName: aws.String("accounts"), Key: item{"artist": text(who)}}}
	}
	out := must(c.dynamo.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{get("a"), get("b")}}))(t)
	for i, want := range []string{"4", "6"} {
		equal(t, "the money", out.Responses[i].Item["money"].(*types.AttributeValueMemberN).Value, want)
	}
	_, err := c.dynamo.TransactGetItems(ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{{Get: &types.Get{TableName: aws.String("none"), Key: item{"artist": text("a")}}}}})
	fails[*types.ResourceNotFoundException](t, err, "Requested resource not found")
}
