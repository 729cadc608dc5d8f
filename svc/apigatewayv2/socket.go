package apigatewayv2

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/tule-cloud/tule/aws"
)

// Limits of WebSocket APIs.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
const (
	maxMessage  = 128 << 10
	maxIdle     = 10 * time.Minute
	maxLife     = 2 * time.Hour
	maxParallel = 64               // messages of one connection that are worked on
	writeTime   = 10 * time.Second // for a client to take a message
)

// A socket is a connection to a WebSocket API.
type socket struct {
	id     string
	conn   *websocket.Conn
	open   *exchange // that connected it
	since  time.Time
	mu     sync.Mutex
	active time.Time
	done   context.CancelFunc
	reason string // why this side closed it
}

// sockets are the connections, by id. They live in this process.
type sockets struct {
	mu sync.Mutex
	of map[string]*socket
}

func newSockets() sockets { return sockets{of: map[string]*socket{}} }

func (c *sockets) get(id string) *socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[id]
}

func (c *sockets) put(k *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of[k.id] = k
}

func (c *sockets) drop(k *socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, k.id)
}

// all are the connections of this moment.
func (c *sockets) all() (out []*socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.of {
		out = append(out, k)
	}
	return out
}

// Run writes access logs until ctx ends, and then closes the connections.
func (s *Service) Run(ctx context.Context) error {
	err := s.logs.Run(ctx)
	for _, k := range s.sockets.all() {
		k.close(websocket.StatusGoingAway, "Going away")
	}
	return err
}

// touch notes that a connection is in use.
func (k *socket) touch(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.active = now
}

func (k *socket) lastActive() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.active
}

// close says goodbye, and does not wait for the answer.
func (k *socket) close(code websocket.StatusCode, reason string) {
	k.mu.Lock()
	if k.reason == "" {
		k.reason = reason
	}
	k.mu.Unlock()
	go func() {
		_ = k.conn.Close(code, reason) // the client may be gone
		k.done()
	}()
}

// send writes a message to the client: as text, if it is such.
func (k *socket) send(ctx context.Context, s *Service, data []byte) error {
	kind := websocket.MessageText
	if !validText(data) {
		kind = websocket.MessageBinary
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	err := k.conn.Write(ctx, kind, data)
	if err == nil {
		k.touch(s.Clock.Now())
	}
	return err
}

// watch closes a connection that nobody uses, or that is too old.
func (s *Service) watch(ctx context.Context, k *socket) {
	for {
		now := s.Clock.Now()
		left := min(maxIdle-now.Sub(k.lastActive()), maxLife-now.Sub(k.since))
		if left <= 0 {
			k.close(websocket.StatusGoingAway, "Going away")
			return
		}
		late, stop := s.Clock.After(left)
		select {
		case <-late:
		case <-ctx.Done():
			stop()
			return
		}
	}
}

// listen reads a connection's messages until it ends, and works on each by itself.
func (s *Service) listen(ctx context.Context, k *socket) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	slots := make(chan struct{}, maxParallel)
	for {
		kind, data, err := k.conn.Read(ctx)
		if err != nil {
			return err
		}
		k.touch(s.Clock.Now())
		slots <- struct{}{}
		busy.Add(1)
		go func() {
			defer func() { <-slots; busy.Done() }()
			s.message(ctx, k, data, kind == websocket.MessageBinary)
		}()
	}
}

// message takes a client's message to its route's back end.
func (s *Service) message(ctx context.Context, k *socket, data []byte, binary bool) {
	x := s.next(k, data)
	if st, err := s.load(ctx, *k.open.program.api.ApiId, *k.open.stage.StageName); err == nil && st.program != nil {
		x.staged = st // as it is deployed now
	}
	x.binary, x.eventType = binary, "MESSAGE"
	if x.route = x.selectRoute(); x.route == nil || x.route.integration == nil {
		x.fault = forbidden("No route is for the message")
		x.complain(ctx, k, "Forbidden")
		return
	}
	if !x.admit() {
		x.fault = tooMany()
		x.complain(ctx, k, "Too Many Requests")
		return
	}
	out, err := x.converse(ctx, "MESSAGE")
	x.logEvent(ctx, err)
	if err != nil {
		x.complain(ctx, k, "Internal server error")
		return
	}
	if x.route.answers && len(out.body) > 0 {
		_ = k.send(ctx, s, out.body) // the client may be gone
	}
}

// next is an exchange for a message of a connection.
func (s *Service) next(k *socket, data []byte) *exchange {
	req := *k.open.req
	req.id, req.at, req.body = aws.RandomUUID(s.Random), s.Clock.Now(), data
	return &exchange{s: s, staged: k.open.staged, req: &req, socket: k, authorizer: k.open.authorizer, principal: k.open.principal,
		messageID: aws.RandomID(s.Random, aws.Base62, 15) + "="}
}

// selectRoute is the route that the API's expression chooses for a message, or $default.
func (x *exchange) selectRoute() *route {
	if key, ok := x.program.selection.eval(x); ok && !strings.HasPrefix(key, "$") {
		if r := x.program.byKey[key]; r != nil {
			return r
		}
	}
	return x.program.byKey[defaultKey]
}

// complain tells a client why its message was not answered.
func (x *exchange) complain(ctx context.Context, k *socket, text string) {
	if x.reply == nil {
		x.logEvent(ctx, nil)
	}
	_ = k.send(ctx, x.s, []byte(x.complaint(text))) // the client may be gone
}

func (x *exchange) complaint(text string) string {
	return `{"message": ` + quote(text) + `, "connectionId":` + quote(x.socket.id) + `, "requestId":` + quote(x.req.id) + `}`
}
