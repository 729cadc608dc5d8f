package apigatewayv2

import (
	"context"

	"github.com/coder/websocket"

	manage "github.com/tule-cloud/tule/api/apigatewaymanagementapi"
	"github.com/tule-cloud/tule/aws"
)

// stageKeyOf is under which a call of the @connections API carries its stage.
type stageKeyOf struct{}

// Connections are the operations on connections.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
func (s *Service) Connections() []aws.Route {
	return []aws.Route{
		manage.PostToConnection.To(s.postToConnection, func(ctx context.Context, in *manage.PostToConnectionRequest) ([]aws.Access, error) {
			return s.askConnection(ctx, "POST", in.ConnectionId), nil
		}),
		manage.GetConnection.To(s.getConnection, func(ctx context.Context, in *manage.GetConnectionRequest) ([]aws.Access, error) {
			return s.askConnection(ctx, "GET", in.ConnectionId), nil
		}),
		manage.DeleteConnection.To(s.deleteConnection, func(ctx context.Context, in *manage.DeleteConnectionRequest) ([]aws.Access, error) {
			return s.askConnection(ctx, "DELETE", in.ConnectionId), nil
		}),
	}
}

// askConnection is the permission to manage a connection of a stage: the one that was
// called, or that the connection is of.
func (s *Service) askConnection(ctx context.Context, verb string, id *string) []aws.Access {
	st, _ := ctx.Value(stageKeyOf{}).(*staged)
	if k := s.sockets.get(aws.Value(id)); st == nil && k != nil {
		st = k.open.staged
	}
	r := aws.RequestOf(ctx)
	region, account, where := r.Region, r.Account(), "*/*"
	if st != nil {
		region, account, where = st.owner.Region, st.owner.Account, *st.program.api.ApiId+"/"+*st.stage.StageName
	}
	return []aws.Access{{Action: "execute-api:ManageConnections", Account: account,
		Resource: aws.NewARN("execute-api", region, account, where+"/"+verb+"/@connections/"+aws.Value(id)).String()}}
}

// connection is one of the stage that is called.
func (s *Service) connection(ctx context.Context, id *string) (*socket, error) {
	k := s.sockets.get(aws.Value(id))
	st, _ := ctx.Value(stageKeyOf{}).(*staged)
	if k == nil || st != nil && (*st.program.api.ApiId != *k.open.program.api.ApiId || *st.stage.StageName != *k.open.stage.StageName) {
		return nil, manage.GoneException("")
	}
	return k, nil
}

func (s *Service) postToConnection(ctx context.Context, in *manage.PostToConnectionRequest) (*aws.Empty, error) {
	k, err := s.connection(ctx, in.ConnectionId)
	if err != nil {
		return nil, err
	}
	if k.send(ctx, s, in.Data) != nil {
		return nil, manage.GoneException("")
	}
	return nil, nil
}

func (s *Service) getConnection(ctx context.Context, in *manage.GetConnectionRequest) (*manage.GetConnectionResponse, error) {
	k, err := s.connection(ctx, in.ConnectionId)
	if err != nil {
		return nil, err
	}
	return &manage.GetConnectionResponse{ConnectedAt: &k.since, LastActiveAt: ptr(k.lastActive()),
		Identity: &manage.Identity{SourceIp: &k.open.req.sourceIP, UserAgent: &k.open.req.userAgent}}, nil
}

func (s *Service) deleteConnection(ctx context.Context, in *manage.DeleteConnectionRequest) (*aws.Empty, error) {
	k, err := s.connection(ctx, in.ConnectionId)
	if err == nil {
		k.close(websocket.StatusNormalClosure, "Connection Closed Normally")
	}
	return nil, err
}
