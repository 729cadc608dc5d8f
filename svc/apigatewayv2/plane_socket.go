package apigatewayv2

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	manage "github.com/tule-cloud/tule/api/apigatewaymanagementapi"
	"github.com/tule-cloud/tule/aws"
)

// serveSocket connects a caller to a WebSocket API, or lets a back end manage a
// connection.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
func (s *Service) serveSocket(w http.ResponseWriter, r *http.Request, st *staged, t *target, path string, dice []byte) {
	if id, ok := strings.CutPrefix(path, "/@connections/"); ok {
		s.serveManage(w, r, st, unescape(id))
		return
	}
	x := &exchange{s: s, staged: st, req: s.describe(r, st, t, path, "", dice[11:])}
	x.req.id = aws.RequestOf(r.Context()).ID
	x.socket = &socket{id: base64.URLEncoding.EncodeToString(dice[:11]), open: x, since: x.req.at, active: x.req.at}
	w.Header().Set("X-Amzn-Requestid", x.req.id)
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || path != "/" || aws.Value(st.program.api.DisableExecuteApiEndpoint) && !x.req.custom {
		x.turnAway(w, r, forbidden(""))
		return
	}
	x.eventType = "CONNECT"
	protocol, err := x.connect(r.Context())
	x.logEvent(r.Context(), err)
	if err != nil {
		x.turnAway(w, r, err)
		return
	}
	o := &websocket.AcceptOptions{InsecureSkipVerify: true, OnPingReceived: func(context.Context, []byte) bool {
		x.socket.touch(s.Clock.Now())
		return true
	}}
	if protocol != "" {
		o.Subprotocols = []string{protocol}
	}
	// What the API decides of origins it has decided: in its authorizer.
	conn, err := websocket.Accept(w, r, o)
	if err != nil {
		return // it has answered
	}
	s.run(r.Context(), x, conn)
}

// turnAway answers a caller who is not connected.
func (x *exchange) turnAway(w http.ResponseWriter, r *http.Request, err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{status: http.StatusBadGateway, message: "Internal server error"}
	}
	write(w, r, &reply{status: f.status, header: []param{{"Content-Type", "application/json"}}, body: []byte(x.complaint(f.message))})
}

// connect asks the route $connect, if there is one; protocol is what its back end chose.
func (x *exchange) connect(ctx context.Context) (protocol string, err error) {
	if x.route = x.program.byKey["$connect"]; x.route == nil {
		return "", nil
	}
	if aws.Value(x.route.raw.ApiKeyRequired) {
		return "", forbidden("API keys are not known to this version of Tule's WebSocket APIs")
	}
	if !x.admit() {
		return "", tooMany()
	}
	if err := x.authorize(ctx); err != nil {
		return "", err
	}
	if x.route.integration == nil {
		return "", nil
	}
	out, err := x.converse(ctx, "CONNECT")
	if err != nil {
		return "", err
	}
	if out.status/100 != 2 {
		return "", &fault{status: out.status, message: http.StatusText(out.status)}
	}
	for _, p := range out.header {
		if strings.EqualFold(p.name, "Sec-WebSocket-Protocol") {
			protocol = p.value
		}
	}
	return protocol, nil
}

// run serves a connection until it ends, and tells the route $disconnect.
func (s *Service) run(ctx context.Context, x *exchange, conn *websocket.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	k := x.socket
	k.conn, k.done = conn, cancel
	conn.SetReadLimit(maxMessage)
	s.sockets.put(k)
	go s.watch(ctx, k)
	err := s.listen(ctx, k)
	s.sockets.drop(k)
	_ = conn.CloseNow() // it is closed, or broken
	s.disconnect(context.WithoutCancel(ctx), k, err)
}

func (s *Service) disconnect(ctx context.Context, k *socket, why error) {
	x := s.next(k, nil)
	if st, err := s.load(ctx, *k.open.program.api.ApiId, *k.open.stage.StageName); err == nil && st.program != nil {
		x.staged = st
	}
	if x.route = x.program.byKey["$disconnect"]; x.route == nil || x.route.integration == nil {
		return
	}
	x.closedWith, x.closedFor = 1006, ""
	var closed websocket.CloseError
	k.mu.Lock()
	own := k.reason
	k.mu.Unlock()
	switch {
	case own != "":
		x.closedWith, x.closedFor = int(websocket.StatusGoingAway), own
	case errors.As(why, &closed):
		x.closedWith, x.closedFor = int(closed.Code), closed.Reason
	case errors.Is(why, websocket.ErrMessageTooBig):
		x.closedWith, x.closedFor = int(websocket.StatusMessageTooBig), "Message too big"
	}
	_, err := x.converse(ctx, "DISCONNECT")
	if x.logEvent(ctx, err); err != nil {
		s.Logger.Debug("the route $disconnect failed", "api", *x.program.api.ApiId, "connection", k.id, "error", err)
	}
}

// serveManage is the @connections API below a stage, by the operations of its service.
func (s *Service) serveManage(w http.ResponseWriter, r *http.Request, st *staged, id string) {
	ctx := context.WithValue(r.Context(), stageKeyOf{}, st)
	out, err := s.manage(ctx, r, id)
	if err != nil {
		var e *aws.Error
		if !errors.As(err, &e) {
			s.Logger.Error("a connection could not be managed", "connection", id, "error", err)
			e = aws.InternalFailure(err)
		}
		out = &reply{status: e.Status, header: []param{{"Content-Type", "application/json"}, {"X-Amzn-Errortype", e.Code}}, body: []byte(`{"message":` + quote(e.Message) + `}`)}
	}
	w.Header().Set("X-Amzn-Requestid", aws.RequestOf(ctx).ID)
	write(w, r, out)
}

func (s *Service) manage(ctx context.Context, r *http.Request, id string) (*reply, error) {
	if aws.RequestOf(ctx).Caller.Kind == aws.Anonymous {
		return nil, aws.Errorf(http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	switch r.Method {
	case http.MethodPost:
		data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxMessage))
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, manage.PayloadTooLargeException("Message too long")
		}
		if err != nil {
			return nil, aws.Errorf(http.StatusBadRequest, "BadRequestException", "The body could not be read.")
		}
		_, err = manage.PostToConnection.Do(ctx, s.Peers, &manage.PostToConnectionRequest{ConnectionId: &id, Data: data})
		return &reply{status: http.StatusOK}, err
	case http.MethodGet:
		out, err := manage.GetConnection.Do(ctx, s.Peers, &manage.GetConnectionRequest{ConnectionId: &id})
		if err != nil {
			return nil, err
		}
		const form = "2006-01-02T15:04:05.000Z"
		body, err := encode(map[string]any{"connectedAt": out.ConnectedAt.UTC().Format(form), "lastActiveAt": out.LastActiveAt.UTC().Format(form),
			"identity": map[string]any{"sourceIp": out.Identity.SourceIp, "userAgent": out.Identity.UserAgent}})
		return &reply{status: http.StatusOK, header: []param{{"Content-Type", "application/json"}}, body: body}, err
	case http.MethodDelete:
		_, err := manage.DeleteConnection.Do(ctx, s.Peers, &manage.DeleteConnectionRequest{ConnectionId: &id})
		return &reply{status: http.StatusNoContent}, err
	}
	return nil, aws.Errorf(http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
}
