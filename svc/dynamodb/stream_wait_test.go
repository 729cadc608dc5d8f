package dynamodb

import (
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/dynamodb"
	streamsapi "github.com/tule-cloud/tule/api/dynamodbstreams"
	"github.com/tule-cloud/tule/aws"
)

// A read that waits has a change as it comes, even while another's number is held.
func TestReadWaits(t *testing.T) {
	s, ctx := house(t)
	it := streaming(t, s, ctx)
	r := *aws.RequestOf(ctx)
	r.Wait = time.Minute
	waiting := aws.WithRequest(ctx, &r)
	for i := range 20 {
		got := make(chan *streamsapi.GetRecordsOutput)
		go func() {
			out, err := s.Streams().getRecords(waiting, &streamsapi.GetRecordsInput{ShardIterator: &it})
			if err != nil {
				t.Error(err)
				out = &streamsapi.GetRecordsOutput{}
			}
			got <- out
		}()
		slow := s.numbering.Begin()
		if _, err := slow.Take(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.putItem(ctx, &api.PutItemInput{TableName: ptr("movies"), Item: movieKey(i, "x")}); err != nil {
			t.Fatal(err)
		}
		slow.Release(ctx, s.store, nil)
		out := <-got
		if len(out.Records) != 1 {
			t.Fatalf("%d records", len(out.Records))
		}
		it = *out.NextShardIterator
	}
}
