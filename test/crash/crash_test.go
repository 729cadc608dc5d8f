// Package crash kills Tule while many write, and looks afterwards whether anything
// that was acknowledged is missing, or half of a transaction is there.
package crash

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tule-cloud/tule/test/tule"
)

const writers = 8

// A ledger is what the writers know to be in the table «writes»: of each writer the
// number that was acknowledged last, and the one that was sent and not answered.
// Writer w's items are "w" (its latest number), and "w/n/a" and "w/n/b" (a pair that
// one transaction wrote).
type ledger struct {
	acked, sent [writers]int
}

func client(t *tule.Tule) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: aws.String(t.URL()), RetryMaxAttempts: 1, HTTPClient: tule.HTTPClient,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
}

// TestKill kills Tule TULE_KILLS times, 30 without, on one and the same data folder.
func TestKill(t *testing.T) {
	kills, err := strconv.Atoi(cmp.Or(os.Getenv("TULE_KILLS"), "30"))
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	house := start(t, data)
	c := client(house)
	if _, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String("writes"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}}}); err != nil {
		t.Fatal(err)
	}
	var l ledger
	for kill := range kills {
		before := l.acked
		l.writeUntilKilled(t, house)
		house = start(t, data)
		l.check(t, client(house))
		if t.Failed() {
			t.Fatalf("after kill %d\n%s", kill+1, house.Log())
		}
		if before == l.acked {
			t.Logf("kill %d came before anything was acknowledged", kill+1)
		}
	}
	total := 0
	for _, n := range l.acked {
		total += n
	}
	if total < kills {
		t.Errorf("%d writes in %d lives: too few to say anything", total, kills)
	}
	t.Logf("%d kills, %d acknowledged writes", kills, total)
	if err := house.Stop(); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, data string) *tule.Tule {
	t.Helper()
	house, err := tule.Start(tule.Options{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	return house
}

// writeUntilKilled lets all writers write, kills Tule when a number of writes that
// chance chose is acknowledged and others are under way, and waits until each writer
// has noticed.
func (l *ledger) writeUntilKilled(t *testing.T, house *tule.Tule) {
	var wg sync.WaitGroup
	var killed atomic.Bool
	var acked atomic.Int64
	target, reached := 1+rand.Int64N(120), make(chan struct{})
	for w := range writers {
		wg.Go(func() {
			c := client(house)
			for {
				l.sent[w] = l.acked[w] + 1
				if err := write(t.Context(), c, w, l.sent[w]); err != nil {
					if !killed.Load() {
						t.Errorf("writer %d: %v", w, err)
					}
					return
				}
				l.acked[w] = l.sent[w]
				if acked.Add(1) == target {
					close(reached)
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(time.Second): // a slow disk
	}
	killed.Store(true)
	house.Kill()
	wg.Wait()
}

// write sends number n of a writer: odd ones by PutItem alone, even ones as a
// transaction with a pair.
func write(ctx context.Context, c *dynamodb.Client, w, n int) error {
	table, id := aws.String("writes"), strconv.Itoa(w)
	latest := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id}, "n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)}}
	if n%2 == 1 {
		_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: latest})
		return err
	}
	half := func(name string) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: table, ConditionExpression: aws.String("attribute_not_exists(id)"),
			Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: fmt.Sprintf("%s/%d/%s", id, n, name)}}}}
	}
	_, err := c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		half("a"), {Put: &types.Put{TableName: table, Item: latest}}, half("b")}})
	return err
}

// check reads everything and holds it against the ledger. What was sent and not
// answered may be there or not, but whole; the ledger learns which.
func (l *ledger) check(t *testing.T, c *dynamodb.Client) {
	there := map[string]int{}
	for p := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: aws.String("writes"), ConsistentRead: aws.Bool(true)}); p.HasMorePages(); {
		// Three attempts are the SDK's default. It may lose a long answer that comes at
		// once: it closes the request's body then, which net/http may yet be reading.
		page, err := p.NextPage(t.Context(), func(o *dynamodb.Options) { o.RetryMaxAttempts = 3 })
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			n := 0
			if v, ok := it["n"].(*types.AttributeValueMemberN); ok {
				n, _ = strconv.Atoi(v.Value)
			}
			there[it["id"].(*types.AttributeValueMemberS).Value] = n
		}
	}
	items := 0
	for w := range writers {
		last := there[strconv.Itoa(w)]
		if last != l.acked[w] && last != l.sent[w] {
			t.Errorf("writer %d: %d is there; %d was acknowledged and %d sent", w, last, l.acked[w], l.sent[w])
		}
		if last > 0 {
			items++
		}
		for n := 2; n <= last; n += 2 {
			for _, half := range []string{"a", "b"} {
				if _, ok := there[fmt.Sprintf("%d/%d/%s", w, n, half)]; !ok {
					t.Errorf("writer %d: half %s of pair %d is not there", w, half, n)
				}
				items++
			}
		}
		l.acked[w] = last
	}
	if items != len(there) {
		t.Errorf("%d items are there, want %d: half a transaction, or what nobody wrote", len(there), items)
	}
}
