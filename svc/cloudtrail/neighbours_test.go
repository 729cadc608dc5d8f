package cloudtrail

import (
	"context"
	"io"
	"strings"
	"sync"
	"testing"

	logsapi "github.com/tule-cloud/tule/api/logs"
	s3api "github.com/tule-cloud/tule/api/s3"
	snsapi "github.com/tule-cloud/tule/api/sns"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
)

// neighbours are the services that trails deliver to: a bucket "logs" that lets CloudTrail
// put below its account's folder, as AWS's policy has it; one "closed" that does not; a
// topic, a log group and a role.
type neighbours struct {
	mu       sync.Mutex
	objects  map[string]object // by bucket/key
	puts     []string          // every put, in order
	messages []string
	lines    map[string][]string // by group/stream
	refuse   *aws.Error          // what every put answers, if not nil
	seen     []aws.Caller
}

type object struct {
	body     []byte
	metadata map[string]string
}

func newNeighbours(h *script.House) *neighbours {
	n := &neighbours{objects: map[string]object{}, lines: map[string][]string{}}
	h.Add([]aws.Route{
		s3api.GetBucketAcl.To(n.getBucketACL, aws.Anywhere), s3api.PutObject.To(n.putObject, aws.Anywhere),
		snsapi.Publish.To(n.publish, aws.Anywhere), stsapi.AssumeRole.To(n.assumeRole, aws.Anywhere),
		logsapi.CreateLogStream.To(n.createLogStream, aws.Anywhere), logsapi.PutLogEvents.To(n.putLogEvents, aws.Anywhere),
	})
	return n
}

// trailing is a service beside the neighbours. Account 222222222222 manages an
// organization that 333333333333 is in.
func (n *neighbours) trailing(h *script.House) (*Service, *neighbours) {
	return New(Options{Store: h.Store, Clock: h.Clock, Random: h.Random, Peers: h, Box: plainBox{},
		Organization: func(_ context.Context, account string) (string, string, error) {
			if account == "222222222222" || account == "333333333333" {
				return "o-example", "222222222222", nil
			}
			return "", "", nil
		}}), n
}

// plainBox seals nothing, and knows what it is given for what.
type plainBox struct{}

func (plainBox) Seal(text []byte, context string) ([]byte, error) {
	return append([]byte(context+"\n"), text...), nil
}

func (plainBox) Open(sealed []byte, context string) ([]byte, error) {
	text, ok := strings.CutPrefix(string(sealed), context+"\n")
	if !ok {
		return nil, io.ErrUnexpectedEOF
	}
	return []byte(text), nil
}

func (n *neighbours) getBucketACL(_ context.Context, in *s3api.GetBucketAclRequest) (*s3api.GetBucketAclOutput, error) {
	switch *in.Bucket {
	case "logs":
		return nil, nil
	case "closed":
		return nil, aws.AccessDenied("no")
	}
	return nil, aws.Errorf(404, "NoSuchBucket", "The specified bucket does not exist")
}

func (n *neighbours) putObject(ctx context.Context, in *s3api.PutObjectRequest) (*s3api.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	caller := aws.RequestOf(ctx).Caller
	n.seen = append(n.seen, caller)
	n.puts = append(n.puts, *in.Key)
	if n.refuse != nil {
		return nil, n.refuse
	}
	if caller.ARN != principal || *in.ACL != "bucket-owner-full-control" || !strings.Contains(*in.Key, "AWSLogs/") {
		return nil, aws.AccessDenied("not by the policy")
	}
	n.objects[*in.Bucket+"/"+*in.Key] = object{body, in.Metadata}
	return nil, nil
}

func (n *neighbours) publish(_ context.Context, in *snsapi.PublishInput) (*snsapi.PublishResponse, error) {
	if !strings.HasSuffix(*in.TopicArn, ":news") {
		return nil, aws.Errorf(404, "NotFound", "Topic does not exist")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.messages = append(n.messages, *in.Message)
	return nil, nil
}

func (n *neighbours) assumeRole(_ context.Context, in *stsapi.AssumeRoleRequest) (*stsapi.AssumeRoleResponse, error) {
	if !strings.HasSuffix(*in.RoleArn, "role/logger") {
		return nil, aws.AccessDenied("no")
	}
	return &stsapi.AssumeRoleResponse{AssumedRoleUser: &stsapi.AssumedRoleUser{AssumedRoleId: new("AROALOGGER:" + *in.RoleSessionName)}}, nil
}

func (n *neighbours) createLogStream(ctx context.Context, in *logsapi.CreateLogStreamRequest) (*aws.Empty, error) {
	if *in.LogGroupName != "audit" {
		return nil, aws.Errorf(400, "ResourceNotFoundException", "The specified log group does not exist.")
	}
	return nil, nil
}

func (n *neighbours) putLogEvents(ctx context.Context, in *logsapi.PutLogEventsRequest) (*logsapi.PutLogEventsResponse, error) {
	if aws.RequestOf(ctx).Caller.Role == "" {
		return nil, aws.AccessDenied("not by the role")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	to := *in.LogGroupName + "/" + *in.LogStreamName
	for _, e := range in.LogEvents {
		n.lines[to] = append(n.lines[to], *e.Message)
	}
	return nil, nil
}

// trailHouse is a house with neighbours.
func trailHouse(t testing.TB) (*Service, *neighbours, *script.House) {
	h := script.New()
	t.Cleanup(func() { h.Store.Close() })
	s, n := newNeighbours(h).trailing(h)
	return s, n, h
}
