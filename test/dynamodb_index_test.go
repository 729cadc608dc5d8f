package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func hash(name string) []types.KeySchemaElement {
	return []types.KeySchemaElement{{AttributeName: &name, KeyType: types.KeyTypeHash}}
}

func ranged(name, sort string) []types.KeySchemaElement {
	return append(hash(name), types.KeySchemaElement{AttributeName: &sort, KeyType: types.KeyTypeRange})
}

func attributes(names ...string) (out []types.AttributeDefinition) {
	for _, n := range names {
		name, kind, _ := strings.Cut(n, ":")
		out = append(out, types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeType(kind)})
	}
	return out
}

// The customers of post 3's developer portal: found by their id in the marketplace.
func TestDynamoDBPortalCustomers(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	five := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(5)}
	must(c.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("DevPortalCustomers"), AttributeDefinitions: attributes("Id:S", "MarketplaceCustomerId:S"), KeySchema: hash("Id"), ProvisionedThroughput: five,
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("MarketplaceCustomerIdIndex"), KeySchema: hash("MarketplaceCustomerId"), ProvisionedThroughput: five,
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"Id"}}}}}))(t)
	for i := range 3 {
		it := item{"Id": text(fmt.Sprint("us-east-1:", i)), "ApiKeyId": text(fmt.Sprint("key", i))}
		if i > 0 {
			it["MarketplaceCustomerId"] = text("m" + fmt.Sprint(i))
		}
		c.put("DevPortalCustomers", it)
	}
	must(c.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: aws.String("DevPortalCustomers"), Key: item{"Id": text("us-east-1:0")}, UpdateExpression: aws.String("set #a = :x"),
		ExpressionAttributeNames: map[string]string{"#a": "MarketplaceCustomerId"}, ExpressionAttributeValues: item{":x": text("m0")}}))(t)
	out := must(c.dynamo.Query(ctx, &dynamodb.QueryInput{TableName: aws.String("DevPortalCustomers"), IndexName: aws.String("MarketplaceCustomerIdIndex"),
		KeyConditionExpression: aws.String("MarketplaceCustomerId = :c"), ExpressionAttributeValues: item{":c": text("m0")}, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes}))(t)
	equal(t, "the customer", fmt.Sprint(len(out.Items), len(out.Items[0]), out.Items[0]["Id"].(*types.AttributeValueMemberS).Value), "1 2us-east-1:0")
	equal(t, "what the index consumed", aws.ToFloat64(out.ConsumedCapacity.GlobalSecondaryIndexes["MarketplaceCustomerIdIndex"].CapacityUnits), 0.5)
}

// Indexes of every sort, made with the table and later, by pages in both directions.
func TestDynamoDBIndexes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	all := &types.Projection{ProjectionType: types.ProjectionTypeAll}
	must(c.dynamo.CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("orders"), BillingMode: types.BillingModePayPerRequest, AttributeDefinitions: attributes("user:S", "at:N", "sum:N"), KeySchema: ranged("user", "at"),
		LocalSecondaryIndexes: []types.LocalSecondaryIndex{{IndexName: aws.String("bysum"), KeySchema: ranged("user", "sum"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}}}))(t)
	var writes []types.WriteRequest
	for i := range 250 {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: item{"user": text("u" + fmt.Sprint(i%5)), "at": number(i), "sum": number(250 - i), "state": text([]string{"open", "done"}[i%2]), "note": text("n")}}})
		if len(writes) == 25 {
			must(c.dynamo.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"orders": writes}}))(t)
			writes = nil
		}
	}
	must(c.dynamo.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String("orders"), AttributeDefinitions: attributes("state:S"), GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{
		{Create: &types.CreateGlobalSecondaryIndexAction{IndexName: aws.String("bystate"), KeySchema: ranged("state", "sum"), Projection: all}}}}))(t)
	var d *types.TableDescription
	for range 200 {
		d = must(c.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("orders")}))(t).Table
		if d.GlobalSecondaryIndexes[0].IndexStatus == types.IndexStatusActive {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	equal(t, "the index", fmt.Sprint(d.GlobalSecondaryIndexes[0].IndexStatus, aws.ToInt64(d.GlobalSecondaryIndexes[0].ItemCount), aws.ToInt64(d.LocalSecondaryIndexes[0].ItemCount)), "ACTIVE250 250")
	for _, forward := range []bool{true, false} {
		var sums []string
		pages := dynamodb.NewQueryPaginator(c.dynamo, &dynamodb.QueryInput{TableName: aws.String("orders"), IndexName: aws.String("bystate"), Limit: aws.Int32(17), ScanIndexForward: &forward,
			KeyConditionExpression: aws.String("#s = :s and #n between :a and :b"), ExpressionAttributeNames: map[string]string{"#s": "state", "#n": "sum"}, ExpressionAttributeValues: item{":s": text("open"), ":a": number(51), ":b": number(200)}})
		for pages.HasMorePages() {
			for _, it := range must(pages.NextPage(ctx))(t).Items {
				sums = append(sums, it["sum"].(*types.AttributeValueMemberN).Value)
			}
		}
		var want []string
		for n := 52; n <= 200; n += 2 {
			want = append(want, fmt.Sprint(n))
		}
		if !forward {
			slices.Reverse(want)
		}
		equal(t, "the sums", fmt.Sprint(sums), fmt.Sprint(want))
	}
	local := must(c.dynamo.Query(ctx, &dynamodb.QueryInput{TableName: aws.String("orders"), IndexName: aws.String("bysum"), ConsistentRead: aws.Bool(true), Select: types.SelectAllAttributes, Limit: aws.Int32(1),
		KeyConditionExpression: aws.String("#u = :u"), ExpressionAttributeNames: map[string]string{"#u": "user"}, ExpressionAttributeValues: item{":u": text("u4")}}))(t)
	equal(t, "what comes from the table", local.Items[0]["note"].(*types.AttributeValueMemberS).Value+fmt.Sprint(len(local.LastEvaluatedKey)), "n3")
	_, err := c.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: item{"user": text("u"), "at": number(1), "state": number(1)}})
	refused(t, err, "ValidationException", "Type mismatch for Index Key state Expected: S Actual: N IndexName: bystate")
	must(c.dynamo.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String("orders"), GlobalSecondaryIndexUpdates: []types.GlobalSecondaryIndexUpdate{{Delete: &types.DeleteGlobalSecondaryIndexAction{IndexName: aws.String("bystate")}}}}))(t)
	_, err = c.dynamo.Scan(ctx, &dynamodb.ScanInput{TableName: aws.String("orders"), IndexName: aws.String("bystate")})
	refused(t, err, "ValidationException", "does not have the specified index")
}

// PartiQL, alone, in batches and transactions, by pages.
func TestDynamoDBPartiQL(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", true)
	for i := range 6 {
		must(c.dynamo.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{Statement: aws.String("INSERT INTO songs VALUE {'artist': 'Nina', 'year': ?}"), Parameters: []types.AttributeValue{number(1960 + i)}}))(t)
	}
	_, err := c.dynamo.ExecuteStatement(ctx, &dynamodb.ExecuteStatementInput{Statement: aws.String("INSERT INTO songs VALUE {'artist': 'Nina', 'year': 1960}")})
	fails[*types.DuplicateItemException](t, err, "Duplicate primary key")
	var years []string
	in := &dynamodb.ExecuteStatementInput{Statement: aws.String(`SELECT "year" FROM "songs" WHERE artist = 'Nina' AND "year" > 1961 ORDER BY "year" DESC`), Limit: aws.Int32(3)}
	for {
		out := must(c.dynamo.ExecuteStatement(ctx, in))(t)
		for _, it := range out.Items {
			years = append(years, it["year"].(*types.AttributeValueMemberN).Value)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	equal(t, "the years", strings.Join(years, " "), "1965 1964 1963 1962")
	batch := must(c.dynamo.BatchExecuteStatement(ctx, &dynamodb.BatchExecuteStatementInput{Statements: []types.BatchStatementRequest{
		{Statement: aws.String("UPDATE songs SET n = 1 WHERE artist = 'Nina' AND \"year\" = 1960")}, {Statement: aws.String("UPDATE songs SET n = 1 WHERE artist = 'Nina' AND \"year\" = 1")}}}))(t)
	if batch.Responses[0].Error != nil || batch.Responses[1].Error == nil || batch.Responses[1].Error.Code != types.BatchStatementErrorCodeEnumConditionalCheckFailed {
		t.Errorf("%+v", batch.Responses)
	}
	must(c.dynamo.ExecuteTransaction(ctx, &dynamodb.ExecuteTransactionInput{TransactStatements: []types.ParameterizedStatement{
		{Statement: aws.String("EXISTS(SELECT * FROM songs WHERE artist = 'Nina' AND \"year\" = 1960 AND n = 1)")}, {Statement: aws.String("DELETE FROM songs WHERE artist = 'Nina' AND \"year\" = 1961")}}}))(t)
	if got := c.get("songs", item{"artist": text("Nina"), "year": number(1961)}); got != nil {
		t.Errorf("%v is left", got)
	}
}

// Backups and restores, of tables that are gone meanwhile, too.
func TestDynamoDBBackups(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	c.put("songs", item{"artist": text("Nina")})
	arn := must(c.dynamo.CreateBackup(ctx, &dynamodb.CreateBackupInput{TableName: aws.String("songs"), BackupName: aws.String("one")}))(t).BackupDetails.BackupArn
	equal(t, "the backup", must(c.dynamo.DescribeBackup(ctx, &dynamodb.DescribeBackupInput{BackupArn: arn}))(t).BackupDescription.BackupDetails.BackupStatus, types.BackupStatusAvailable)
	must(c.dynamo.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{TableName: aws.String("songs"), PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)}}))(t)
	must(c.dynamo.RestoreTableToPointInTime(ctx, &dynamodb.RestoreTableToPointInTimeInput{SourceTableName: aws.String("songs"), TargetTableName: aws.String("now"), UseLatestRestorableTime: aws.Bool(true)}))(t)
	must(c.dynamo.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String("songs")}))(t)
	must(c.dynamo.RestoreTableFromBackup(ctx, &dynamodb.RestoreTableFromBackupInput{BackupArn: arn, TargetTableName: aws.String("then")}))(t)
	for _, name := range []string{"now", "then"} {
		if err := dynamodb.NewTableExistsWaiter(c.dynamo, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 20 * time.Millisecond }).Wait(ctx, &dynamodb.DescribeTableInput{TableName: &name}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if c.get(name, item{"artist": text("Nina")}) == nil {
			t.Errorf("%s is empty", name)
		}
	}
	equal(t, "the backups", len(must(c.dynamo.ListBackups(ctx, &dynamodb.ListBackupsInput{}))(t).BackupSummaries), 1)
	must(c.dynamo.DeleteBackup(ctx, &dynamodb.DeleteBackupInput{BackupArn: arn}))(t)
}

// Changes of a table arrive in a stream of Kinesis.
func TestDynamoDBToKinesis(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.table("songs", false)
	k := kinesis.NewFromConfig(c.config)
	must(k.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("songs"), ShardCount: aws.Int32(1)}))(t)
	if err := kinesis.NewStreamExistsWaiter(k, func(o *kinesis.StreamExistsWaiterOptions) { o.MinDelay = 20 * time.Millisecond }).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String("songs")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	arn := c.arn("kinesis", "stream/songs")
	must(c.dynamo.EnableKinesisStreamingDestination(ctx, &dynamodb.EnableKinesisStreamingDestinationInput{TableName: aws.String("songs"), StreamArn: &arn}))(t)
	for i := range 30 {
		c.put("songs", item{"artist": text("Nina"), "n": number(i)})
	}
	shards := must(k.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String("songs")}))(t).Shards
	it := must(k.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String("songs"), ShardId: shards[0].ShardId, ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon}))(t).ShardIterator
	var got []string
	for limit := time.Now().Add(30 * time.Second); len(got) < 30 && time.Now().Before(limit); time.Sleep(300 * time.Millisecond) {
		out, err := k.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it})
		if err != nil && strings.Contains(err.Error(), "use of closed network connection") {
			continue // the client closed its own end of what it reads
		}
		if err != nil {
			t.Fatal(err)
		}
		it = out.NextShardIterator
		for _, r := range out.Records {
			var change struct {
				EventName, TableName string
				Dynamodb             struct{ NewImage map[string]map[string]string }
			}
			if err := json.Unmarshal(r.Data, &change); err != nil {
				t.Fatal(err)
			}
			got = append(got, change.Dynamodb.NewImage["n"]["N"])
		}
	}
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint(i))
	}
	equal(t, "the changes", fmt.Sprint(got), fmt.Sprint(want))
	must(c.dynamo.UpdateKinesisStreamingDestination(ctx, &dynamodb.UpdateKinesisStreamingDestinationInput{TableName: aws.String("songs"), StreamArn: &arn,
		UpdateKinesisStreamingConfiguration: &types.UpdateKinesisStreamingConfiguration{ApproximateCreationDateTimePrecision: types.ApproximateCreationDateTimePrecisionMicrosecond}}))(t)
	must(c.dynamo.DisableKinesisStreamingDestination(ctx, &dynamodb.DisableKinesisStreamingDestinationInput{TableName: aws.String("songs"), StreamArn: &arn}))(t)
	out := must(c.dynamo.DescribeKinesisStreamingDestination(ctx, &dynamodb.DescribeKinesisStreamingDestinationInput{TableName: aws.String("songs")}))(t)
	equal(t, "the destination", out.KinesisDataStreamDestinations[0].DestinationStatus, types.DestinationStatusDisabled)
}

// A table's policy lets another account in, as far as it says.
func TestDynamoDBPolicies(t *testing.T) {
	t.Parallel()
	c, other := newCloud(t), newCloud(t)
	arn := c.table("songs", false).TableArn
	c.put("songs", item{"artist": text("Nina")})
	read := func() error {
		_, err := other.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: arn, Key: item{"artist": text("Nina")}})
		return err
	}
	refused(t, read(), "AccessDeniedException", "")
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"%s"},"Action":"dynamodb:GetItem","Resource":"%s"}}`, other.account, *arn)
	put := must(c.dynamo.PutResourcePolicy(ctx, &dynamodb.PutResourcePolicyInput{ResourceArn: arn, Policy: &policy}))(t)
	if err := read(); err != nil {
		t.Error(err)
	}
	_, err := other.dynamo.PutItem(ctx, &dynamodb.PutItemInput{TableName: arn, Item: item{"artist": text("Ella")}})
	refused(t, err, "AccessDeniedException", "")
	got := must(c.dynamo.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: arn}))(t)
	equal(t, "the policy", *got.Policy+*got.RevisionId, policy+*put.RevisionId)
	must(c.dynamo.DeleteResourcePolicy(ctx, &dynamodb.DeleteResourcePolicyInput{ResourceArn: arn}))(t)
	refused(t, read(), "AccessDeniedException", "")

	must(c.dynamo.UpdateContributorInsights(ctx, &dynamodb.UpdateContributorInsightsInput{TableName: aws.String("songs"), ContributorInsightsAction: types.ContributorInsightsActionEnable}))(t)
	equal(t, "the insights", must(c.dynamo.DescribeContributorInsights(ctx, &dynamodb.DescribeContributorInsightsInput{TableName: aws.String("songs")}))(t).ContributorInsightsStatus, types.ContributorInsightsStatusEnabled)
	equal(t, "the list of insights", len(must(c.dynamo.ListContributorInsights(ctx, &dynamodb.ListContributorInsightsInput{}))(t).ContributorInsightsSummaries), 1)
}
