package crash

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tule-cloud/tule/test/tule"
)

// copies writes the keys that a stream tells of into another table.
const copies = `const { DynamoDBClient, PutItemCommand } = require("@aws-sdk/client-dynamodb"), db = new DynamoDBClient();
exports.handler = async (event) => {
	for (const r of event.Records) await db.send(new PutItemCommand({ TableName: "copies", Item: r.dynamodb.Keys }));
}`

// TestKillStream kills Tule TULE_KILLS times, four without, while many items are written
// and a function is called with what the table's stream tells: after the last start, it has
// heard of every item that was acknowledged.
func TestKillStream(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	house, err := tule.Start(tule.Options{Data: data, Libraries: true})
	try(t, err)
	mapped(t, house)
	acked := map[string]bool{}
	for life := range lives(t) {
		var n atomic.Int64
		target := 5 + rand.Int64N(60)
		reached, done := make(chan struct{}), make(chan []string)
		go func() {
			c := client(house)
			var ids []string
			for {
				id := fmt.Sprintf("%d/%d", life, n.Load())
				if _, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("originals"), Item: key(id)}); err != nil {
					done <- ids
					return
				}
				ids = append(ids, id)
				if n.Add(1) == target {
					close(reached)
				}
			}
		}()
		select {
		case <-reached:
		case <-time.After(20 * time.Second):
			t.Errorf("only %d of %d writes in time", n.Load(), target)
		}
		house.Kill()
		for _, id := range <-done {
			acked[id] = true
		}
		house = start(t, data)
	}
	missing := func() (out []string) {
		there := map[string]bool{}
		for p := dynamodb.NewScanPaginator(client(house), &dynamodb.ScanInput{TableName: aws.String("copies")}); p.HasMorePages(); {
			page, err := p.NextPage(t.Context(), func(o *dynamodb.Options) { o.RetryMaxAttempts = 3 })
			try(t, err)
			for _, it := range page.Items {
				there[it["id"].(*types.AttributeValueMemberS).Value] = true
			}
		}
		for id := range acked {
			if !there[id] {
				out = append(out, id)
			}
		}
		return out
	}
	deadline := time.Now().Add(time.Minute)
	for len(missing()) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("of %d items the function has not heard of %q\n%s", len(acked), missing(), house.Log())
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d items", len(acked))
	try(t, house.Stop())
}

func key(id string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}}
}

// mapped makes the tables, the function and the mapping.
func mapped(t *testing.T, house *tule.Tule) {
	t.Helper()
	root := config(house, "test", "test", "")
	var stream string
	for _, name := range []string{"originals", "copies"} {
		made, err := client(house).CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
			StreamSpecification:  &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeKeysOnly}})
		try(t, err)
		if name == "originals" {
			stream = *made.TableDescription.LatestStreamArn
		}
	}
	role, err := iam.NewFromConfig(root).CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("copier"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	try(t, err)
	for _, policy := range []string{"service-role/AWSLambdaDynamoDBExecutionRole", "AmazonDynamoDBFullAccess"} {
		_, err = iam.NewFromConfig(root).AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("copier"), PolicyArn: aws.String("arn:aws:iam::aws:policy/" + policy)})
		try(t, err)
	}
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("index.js")
	try(t, err)
	_, err = io.WriteString(w, copies)
	try(t, errors.Join(err, z.Close()))
	functions := lambda.NewFromConfig(root)
	_, err = functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("copier"), Role: role.Role.Arn, Runtime: lambdatypes.RuntimeNodejs22x,
		Handler: aws.String("index.handler"), Timeout: aws.Int32(20), Code: &lambdatypes.FunctionCode{ZipFile: code.Bytes()}})
	try(t, err)
	_, err = functions.CreateEventSourceMapping(t.Context(), &lambda.CreateEventSourceMappingInput{FunctionName: aws.String("copier"), EventSourceArn: &stream,
		StartingPosition: lambdatypes.EventSourcePositionLatest, BatchSize: aws.Int32(7)})
	try(t, err)
}
