package script

import (
	"context"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// TestScripts runs the scripts against a service of two operations, to show what
// the runner itself does.
func TestScripts(t *testing.T) {
	Run(t, "testdata", func(t *testing.T, h *House) []aws.Route {
		groups := store.NewTable[string]("logs", "groups")
		scope := func(ctx context.Context) store.Scope {
			r := aws.RequestOf(ctx)
			return store.Scope{Account: r.Account(), Region: r.Region}
		}
		create := func(ctx context.Context, in *api.CreateLogGroupRequest) (*aws.Empty, error) {
			return nil, h.Store.Update(ctx, func(tx store.Tx) error {
				if _, err := groups.Get(ctx, tx, scope(ctx), *in.LogGroupName); err == nil {
					return api.ResourceAlreadyExistsException("The specified log group already exists")
				}
				return groups.Put(tx, scope(ctx), aws.RequestOf(ctx).ARN("logs", "log-group:"+*in.LogGroupName), *in.LogGroupName)
			})
		}
		list := func(ctx context.Context, in *api.DescribeLogGroupsRequest) (*api.DescribeLogGroupsResponse, error) {
			out := &api.DescribeLogGroupsResponse{LogGroups: []api.LogGroup{}}
			err := h.Store.View(ctx, func(r store.Reader) error {
				out.LogGroups = out.LogGroups[:0]
				for e, err := range groups.List(ctx, r, scope(ctx), store.ListOptions{}) {
					if err != nil {
						return err
					}
					out.LogGroups = append(out.LogGroups, api.LogGroup{Arn: &e.Record, LogGroupName: new(e.Key.String(0)), CreationTime: new(h.Clock.Now().UnixMilli())})
				}
				return nil
			})
			return out, err
		}
		return []aws.Route{
			api.CreateLogGroup.To(create, aws.Anywhere),
			api.DescribeLogGroups.To(list, aws.Anywhere),
		}
	})
}

func TestValues(t *testing.T) {
	var in api.FilterLogEventsRequest
	if err := read(`{"logGroupName": "g", "startTime": 17, "logStreamNames": ["a"], "interleaved": true}`, &in); err != nil {
		t.Fatal(err)
	}
	if *in.LogGroupName != "g" || *in.StartTime != 17 || in.LogStreamNames[0] != "a" || !*in.Interleaved {
		t.Errorf("read %+v", in)
	}
	if err := read(`{"nonsense": 1}`, &in); err == nil {
		t.Error("a member that does not exist was read")
	}
	tree, err := show(struct {
		T time.Time
		B []byte
		N *int
	}{time.Unix(0, 0), []byte{0xff}, nil})
	if err != nil || print(tree) != "{\n  \"B\": \"base64:/w==\",\n  \"T\": \"1970-01-01T00:00:00Z\"\n}\n" {
		t.Errorf("show: %v, %v", print(tree), err)
	}
}
