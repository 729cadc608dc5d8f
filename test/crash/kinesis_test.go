package crash

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// counts takes the numbers of each key in their order: what comes again is passed over, and what
// comes too early is written down as such.
const counts = `const { DynamoDBClient, UpdateItemCommand, GetItemCommand, PutItemCommand } = require("@aws-sdk/client-dynamodb"), db = new DynamoDBClient();
exports.handler = async (event) => {
	for (const r of event.Records) {
		const Key = { id: { S: r.kinesis.partitionKey } }, n = Number(Buffer.from(r.kinesis.data, "base64").toString());
		try {
			await db.send(new UpdateItemCommand({ TableName: "counts", Key, UpdateExpression: "SET n = :next",
				ConditionExpression: n ? "n = :n" : "attribute_not_exists(n)", ExpressionAttributeValues: n ? { ":n": { N: "" + n }, ":next": { N: "" + (n + 1) } } : { ":next": { N: "1" } } }));
		} catch (e) {
			if (e.name !== "ConditionalCheckFailedException") throw e;
			const { Item } = await db.send(new GetItemCommand({ TableName: "counts", Key, ConsistentRead: true }));
			if (!Item || n >= Number(Item.n.N))
				await db.send(new PutItemCommand({ TableName: "counts", Item: { id: { S: "early/" + r.eventID + "/" + Key.id.S + "/" + n }, n: { N: "0" } } }));
		}
	}
}`

// counters is how many keys the records of the stream have.
const counters = 6

// TestKillKinesis kills Tule TULE_KILLS times, 15 without, while records are put into a stream
// whose function counts them, and its shards are split and merged: the function hears of all that
// were acknowledged, those of a shard in their order.
func TestKillKinesis(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "15"))
	try(t, err)
	data := filepath.Join(t.TempDir(), "data")
	house, err := tule.Start(tule.Options{Data: data, Libraries: true})
	try(t, err)
	counting(t, house)
	var next [counters]int // of each key, the number that is not acknowledged
	for life := range kills {
		var group sync.WaitGroup
		var n atomic.Int64
		target, reached := 20+rand.Int64N(150), make(chan struct{})
		for k := range counters {
			group.Go(func() {
				c := kinesis.NewFromConfig(config(house, "test", "test", ""), func(o *kinesis.Options) { o.RetryMaxAttempts, o.HTTPClient = 1, tule.HTTPClient })
				for {
					if _, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("numbers"), PartitionKey: aws.String(fmt.Sprint("k", k)),
						Data: fmt.Append(nil, next[k])}); err != nil {
						return
					}
					next[k]++
					if n.Add(1) == target {
						close(reached)
					}
				}
			})
		}
		switch life {
		case kills / 3:
			reshard(t, house, 4)
		case 2 * kills / 3:
			reshard(t, house, 2)
		}
		select {
		case <-reached:
		case <-time.After(20 * time.Second):
			t.Errorf("only %d of %d records in time", n.Load(), target)
		}
		house.Kill()
		group.Wait()
		house = start(t, data)
	}
	// It may take as long as there is much, and a minute for the next record.
	var before string
	deadline := time.Now().Add(time.Minute)
	for {
		missing := uncounted(t, house, next)
		if missing == "" {
			break
		}
		if missing != before {
			before, deadline = missing, time.Now().Add(time.Minute)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the function has not heard of all: %s\n%s", missing, house.Failures())
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d kills, records by key: %v", kills, next)
	try(t, house.Stop())
}

// uncounted says what the function has not counted, and fails if it has heard of something early.
func uncounted(t *testing.T, house *tule.Tule, next [counters]int) (missing string) {
	t.Helper()
	have := map[string]int{}
	for p := dynamodb.NewScanPaginator(client(house), &dynamodb.ScanInput{TableName: aws.String("counts")}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context(), func(o *dynamodb.Options) { o.RetryMaxAttempts = 3 })
		try(t, err)
		for _, it := range page.Items {
			id := it["id"].(*types.AttributeValueMemberS).Value
			have[id], err = strconv.Atoi(it["n"].(*types.AttributeValueMemberN).Value)
			try(t, err)
			if id[0] == 'e' {
				t.Fatalf("out of order: %s\n%s", id, house.Log())
			}
		}
	}
	for k, n := range next {
		if id := fmt.Sprint("k", k); have[id] < n {
			missing += fmt.Sprintf(" %s: %d of %d", id, have[id], n)
		}
	}
	return missing
}

func reshard(t *testing.T, house *tule.Tule, shards int32) {
	t.Helper()
	c := kinesis.NewFromConfig(config(house, "test", "test", ""))
	_, err := c.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{StreamName: aws.String("numbers"), TargetShardCount: &shards, ScalingType: "UNIFORM_SCALING"})
	try(t, err)
}

// counting makes the stream, the table, the function and the mapping.
func counting(t *testing.T, house *tule.Tule) {
	t.Helper()
	root := config(house, "test", "test", "")
	_, err := kinesis.NewFromConfig(root).CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("numbers"), ShardCount: aws.Int32(2)})
	try(t, err)
	_, err = client(house).CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String("counts"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}}})
	try(t, err)
	role, err := iam.NewFromConfig(root).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("counter"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	for _, policy := range []string{"service-role/AWSLambdaKinesisExecutionRole", "AmazonDynamoDBFullAccess"} {
		_, err = iam.NewFromConfig(root).AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("counter"), PolicyArn: aws.String("arn:aws:iam::aws:policy/" + policy)})
		try(t, err)
	}
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("index.js")
	try(t, err)
	_, err = io.WriteString(w, counts)
	try(t, errors.Join(err, z.Close()))
	functions := lambda.NewFromConfig(root)
	_, err = functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("counter"), Role: role.Role.Arn, Runtime: lambdatypes.RuntimeNodejs22x,
		Handler: aws.String("index.handler"), Timeout: aws.Int32(20), Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}})
	try(t, err)
	_, err = functions.CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("counter"),
		EventSourceArn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/numbers"), StartingPosition: lambdatypes.EventSourcePositionTrimHorizon, BatchSize: aws.Int32(25)})
	try(t, err)
}
