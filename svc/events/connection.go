package events

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// connection is what is kept of one: how API destinations are told who calls.
type connection struct {
	Name        string
	ID          string
	SecretID    string
	Description string `json:",omitempty"`
	KMSKey      string `json:",omitempty"`
	Type        string
	State       string
	// Sealed is an api.CreateConnectionAuthRequestParameters as JSON, sealed; empty where
	// the connection was deauthorized.
	Sealed     []byte                              `json:",omitempty"`
	Private    *api.ConnectivityResourceParameters `json:",omitempty"`
	Created    time.Time
	Modified   time.Time
	Authorized time.Time
}

func connectionARN(scope store.Scope, c *connection) string {
	return aws.NewARN("events", scope.Region, scope.Account, "connection/"+c.Name+"/"+c.ID).String()
}

func getConnection(ctx context.Context, r store.Reader, scope store.Scope, name string) (connection, error) {
	c, err := connections.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return c, api.ResourceNotFoundException("Failed to describe the connection(s). Connection '%s' does not exist.", name)
	}
	return c, err
}

// secretContext is what a connection's secrets are sealed for.
func secretContext(scope store.Scope, c *connection) string { return connectionARN(scope, c) }

// seal keeps what a connection authorises itself with.
func (s *Service) seal(scope store.Scope, c *connection, auth *api.CreateConnectionAuthRequestParameters) error {
	if s.Secrets == nil {
		return errors.New("events: there is nothing to seal secrets with")
	}
	text, err := json.Marshal(auth)
	if err != nil {
		return err
	}
	c.Sealed, err = s.Secrets.Seal(text, secretContext(scope, c))
	return err
}

// unseal is what seal kept; empty for what was deauthorized, or sealed with other keys.
func (s *Service) unseal(scope store.Scope, c *connection) *api.CreateConnectionAuthRequestParameters {
	out := &api.CreateConnectionAuthRequestParameters{}
	if s.Secrets == nil || len(c.Sealed) == 0 {
		return out
	}
	text, err := s.Secrets.Open(c.Sealed, secretContext(scope, c))
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return &api.CreateConnectionAuthRequestParameters{}
	}
	return out
}

// checkAuth refuses parameters that are not those of the type.
func checkAuth(kind string, a *api.CreateConnectionAuthRequestParameters) error {
	want := map[string]bool{api.ConnectionAuthorizationTypeBasic: a.BasicAuthParameters != nil, api.ConnectionAuthorizationTypeApiKey: a.ApiKeyAuthParameters != nil,
		api.ConnectionAuthorizationTypeOauthClientCredentials: a.OAuthParameters != nil}
	for name, given := range want {
		if given != (name == kind) {
			return invalid("Parameter AuthParameters is not valid. Reason: AuthorizationType %s needs its own parameters, and no others.", kind)
		}
	}
	return nil
}

func (s *Service) createConnection(ctx context.Context, in *api.CreateConnectionRequest) (*api.CreateConnectionResponse, error) {
	scope, now := scopeOf(ctx), s.Clock.Now()
	if err := checkAuth(*in.AuthorizationType, in.AuthParameters); err != nil {
		return nil, err
	}
	c := connection{Name: *in.Name, ID: aws.RandomUUID(s.Random), SecretID: aws.RandomUUID(s.Random) + "-" + aws.RandomID(s.Random, aws.Base62, 6), Description: aws.Value(in.Description),
		KMSKey: aws.Value(in.KmsKeyIdentifier), Type: *in.AuthorizationType, State: api.ConnectionStateAuthorized, Private: in.InvocationConnectivityParameters, Created: now, Modified: now, Authorized: now}
	if err := s.seal(scope, &c, in.AuthParameters); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := connections.Has(ctx, tx, scope, c.Name); err != nil {
			return err
		} else if has {
			return api.ResourceAlreadyExistsException("Connection %s already exists.", c.Name)
		}
		return connections.Put(tx, scope, c, c.Name)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateConnectionResponse{ConnectionArn: new(connectionARN(scope, &c)), ConnectionState: &c.State, CreationTime: moment(now), LastModifiedTime: moment(now)}, nil
}

// changeConnection rewrites what is kept of a connection.
func (s *Service) changeConnection(ctx context.Context, name string, edit func(scope store.Scope, c *connection) error) (store.Scope, connection, error) {
	scope := scopeOf(ctx)
	var c connection
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = getConnection(ctx, tx, scope, name); err != nil {
			return err
		}
		if err := edit(scope, &c); err != nil {
			return err
		}
		c.Modified = s.Clock.Now()
		return connections.Put(tx, scope, c, name)
	})
	s.tokens.drop(connectionARN(scope, &c))
	return scope, c, err
}

func (s *Service) updateConnection(ctx context.Context, in *api.UpdateConnectionRequest) (*api.UpdateConnectionResponse, error) {
	scope, c, err := s.changeConnection(ctx, *in.Name, func(scope store.Scope, c *connection) error {
		auth := s.unseal(scope, c)
		if in.AuthorizationType != nil && *in.AuthorizationType != c.Type {
			auth = &api.CreateConnectionAuthRequestParameters{InvocationHttpParameters: auth.InvocationHttpParameters}
			c.Type = *in.AuthorizationType
		}
		if in.AuthParameters != nil {
			mergeAuth(auth, in.AuthParameters)
		}
		if err := checkAuth(c.Type, auth); err != nil {
			return err
		}
		if in.Description != nil {
			c.Description = *in.Description
		}
		if in.KmsKeyIdentifier != nil {
			c.KMSKey = *in.KmsKeyIdentifier
		}
		if in.InvocationConnectivityParameters != nil {
			c.Private = in.InvocationConnectivityParameters
		}
		c.State, c.Authorized = api.ConnectionStateAuthorized, s.Clock.Now()
		return s.seal(scope, c, auth)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateConnectionResponse{ConnectionArn: new(connectionARN(scope, &c)), ConnectionState: &c.State, CreationTime: moment(c.Created), LastAuthorizedTime: moment(c.Authorized), LastModifiedTime: moment(c.Modified)}, nil
}

// mergeAuth puts what an update gives into what there is.
func mergeAuth(have *api.CreateConnectionAuthRequestParameters, in *api.UpdateConnectionAuthRequestParameters) {
	put := func(to **string, from *string) {
		if from != nil {
			*to = from
		}
	}
	if p := in.BasicAuthParameters; p != nil {
		if have.BasicAuthParameters == nil {
			have.BasicAuthParameters = &api.CreateConnectionBasicAuthRequestParameters{}
		}
		put(&have.BasicAuthParameters.Username, p.Username)
		put(&have.BasicAuthParameters.Password, p.Password)
	}
	if p := in.ApiKeyAuthParameters; p != nil {
		if have.ApiKeyAuthParameters == nil {
			have.ApiKeyAuthParameters = &api.CreateConnectionApiKeyAuthRequestParameters{}
		}
		put(&have.ApiKeyAuthParameters.ApiKeyName, p.ApiKeyName)
		put(&have.ApiKeyAuthParameters.ApiKeyValue, p.ApiKeyValue)
	}
	if p := in.OAuthParameters; p != nil {
		if have.OAuthParameters == nil {
			have.OAuthParameters = &api.CreateConnectionOAuthRequestParameters{}
		}
		o := have.OAuthParameters
		put(&o.AuthorizationEndpoint, p.AuthorizationEndpoint)
		put(&o.HttpMethod, p.HttpMethod)
		if p.ClientParameters != nil {
			if o.ClientParameters == nil {
				o.ClientParameters = &api.CreateConnectionOAuthClientRequestParameters{}
			}
			put(&o.ClientParameters.ClientID, p.ClientParameters.ClientID)
			put(&o.ClientParameters.ClientSecret, p.ClientParameters.ClientSecret)
		}
		if p.OAuthHttpParameters != nil {
			o.OAuthHttpParameters = p.OAuthHttpParameters
		}
	}
	if in.InvocationHttpParameters != nil {
		have.InvocationHttpParameters = in.InvocationHttpParameters
	}
	if in.ConnectivityParameters != nil {
		have.ConnectivityParameters = in.ConnectivityParameters
	}
}

func (s *Service) deauthorizeConnection(ctx context.Context, in *api.DeauthorizeConnectionRequest) (*api.DeauthorizeConnectionResponse, error) {
	scope, c, err := s.changeConnection(ctx, *in.Name, func(_ store.Scope, c *connection) error {
		c.State, c.Sealed = api.ConnectionStateDeauthorized, nil
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &api.DeauthorizeConnectionResponse{ConnectionArn: new(connectionARN(scope, &c)), ConnectionState: new(api.ConnectionStateDeauthorizing), CreationTime: moment(c.Created),
		LastAuthorizedTime: moment(c.Authorized), LastModifiedTime: moment(c.Modified)}, nil
}

func (s *Service) deleteConnection(ctx context.Context, in *api.DeleteConnectionRequest) (*api.DeleteConnectionResponse, error) {
	scope := scopeOf(ctx)
	var c connection
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = getConnection(ctx, tx, scope, *in.Name); err != nil {
			return err
		}
		return connections.Delete(tx, scope, c.Name)
	})
	if err != nil {
		return nil, err
	}
	s.tokens.drop(connectionARN(scope, &c))
	return &api.DeleteConnectionResponse{ConnectionArn: new(connectionARN(scope, &c)), ConnectionState: new(api.ConnectionStateDeleting), CreationTime: moment(c.Created),
		LastAuthorizedTime: moment(c.Authorized), LastModifiedTime: moment(c.Modified)}, nil
}

func (s *Service) describeConnection(ctx context.Context, in *api.DescribeConnectionRequest) (*api.DescribeConnectionResponse, error) {
	scope := scopeOf(ctx)
	var c connection
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		c, err = getConnection(ctx, r, scope, *in.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.DescribeConnectionResponse{AuthParameters: shownAuth(s.unseal(scope, &c)), AuthorizationType: &c.Type, ConnectionArn: new(connectionARN(scope, &c)), ConnectionState: &c.State,
		CreationTime: moment(c.Created), Description: text(c.Description), KmsKeyIdentifier: text(c.KMSKey), LastAuthorizedTime: moment(c.Authorized), LastModifiedTime: moment(c.Modified), Name: &c.Name,
		SecretArn: new(aws.NewARN("secretsmanager", scope.Region, scope.Account, "secret:events!connection/"+c.Name+"/"+c.SecretID).String())}, nil
}

// shownAuth is what of a connection's parameters is no secret.
func shownAuth(a *api.CreateConnectionAuthRequestParameters) *api.ConnectionAuthResponseParameters {
	out := &api.ConnectionAuthResponseParameters{InvocationHttpParameters: shownParameters(a.InvocationHttpParameters)}
	if p := a.BasicAuthParameters; p != nil {
		out.BasicAuthParameters = &api.ConnectionBasicAuthResponseParameters{Username: p.Username}
	}
	if p := a.ApiKeyAuthParameters; p != nil {
		out.ApiKeyAuthParameters = &api.ConnectionApiKeyAuthResponseParameters{ApiKeyName: p.ApiKeyName}
	}
	if p := a.OAuthParameters; p != nil {
		out.OAuthParameters = &api.ConnectionOAuthResponseParameters{AuthorizationEndpoint: p.AuthorizationEndpoint, HttpMethod: p.HttpMethod, OAuthHttpParameters: shownParameters(p.OAuthHttpParameters)}
		if p.ClientParameters != nil {
			out.OAuthParameters.ClientParameters = &api.ConnectionOAuthClientResponseParameters{ClientID: p.ClientParameters.ClientID}
		}
	}
	return out
}

// shownParameters leaves out the values that are secret.
func shownParameters(p *api.ConnectionHttpParameters) *api.ConnectionHttpParameters {
	if p == nil {
		return nil
	}
	out := &api.ConnectionHttpParameters{}
	hide := func(secret *bool, value *string) *string {
		if aws.Value(secret) {
			return nil
		}
		return value
	}
	for _, x := range p.HeaderParameters {
		x.Value = hide(x.IsValueSecret, x.Value)
		out.HeaderParameters = append(out.HeaderParameters, x)
	}
	for _, x := range p.QueryStringParameters {
		x.Value = hide(x.IsValueSecret, x.Value)
		out.QueryStringParameters = append(out.QueryStringParameters, x)
	}
	for _, x := range p.BodyParameters {
		x.Value = hide(x.IsValueSecret, x.Value)
		out.BodyParameters = append(out.BodyParameters, x)
	}
	return out
}

func (s *Service) listConnections(ctx context.Context, in *api.ListConnectionsRequest) (*api.ListConnectionsResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListConnectionsResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		out.Connections = []api.Connection{}
		out.NextToken, err = walk(ctx, r, connections, scope, nil, p, func(name string, c *connection) bool {
			if in.ConnectionState != nil && *in.ConnectionState != c.State {
				return false
			}
			out.Connections = append(out.Connections, api.Connection{AuthorizationType: &c.Type, ConnectionArn: new(connectionARN(scope, c)), ConnectionState: &c.State, CreationTime: moment(c.Created),
				LastAuthorizedTime: moment(c.Authorized), LastModifiedTime: moment(c.Modified), Name: &name})
			return true
		})
		return err
	})
}
