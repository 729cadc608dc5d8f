package lambda

import (
	"context"
	"testing"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/svc/dynamodb"
	"github.com/tule-cloud/tule/svc/kinesis"
)

func TestScripts(t *testing.T) {
	script.Run(t, "testdata", func(t *testing.T, h *script.House) []aws.Route {
		s := New(Options{Store: h.Store, Blobs: blobs(t, h.Random), Clock: h.Clock, Random: h.Random, Peers: h, Dir: t.TempDir(), Images: Images{Dir: t.TempDir()},
			Allow: func(context.Context, ...aws.Access) error { return nil }})
		tables := dynamodb.New(dynamodb.Options{Store: h.Store, Clock: h.Clock, Random: h.Random})
		routes := append(s.Routes(), newNeighbours(h.Clock).routes()...)
		p := newPost(h.Clock)
		p.objects = map[string]string{"code/f.zip": string(zipped(t, map[string]string{"index.js": "exports.handler = 1;"})), "code/text": "no zip", "code/empty": ""}
		routes = append(routes, p.routes()...)
		routes = append(routes, kinesis.New(kinesis.Options{Store: h.Store, Clock: h.Clock, Random: h.Random}).Routes()...)
		return append(append(routes, tables.Routes()...), tables.Streams().Routes()...)
	})
}

// Every route says what it needs permission for.
func TestRoutes(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range New(Options{}).Routes() {
		if r.Op.Service != api.Service || seen[r.Op.Name] {
			t.Errorf("%s: twice, or of another service", r.Op.Name)
		}
		seen[r.Op.Name] = true
		if r.Guard == nil || r.Call == nil {
			t.Errorf("%s has no guard or handler", r.Op.Name)
		}
	}
}
