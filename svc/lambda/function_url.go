package lambda

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// functionURL is the address by which a function, or one of its aliases, answers HTTP.
// It is under the function's name and the alias, or $LATEST.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
type functionURL struct {
	ID       string
	Auth     string
	Mode     string
	Cors     *api.Cors `json:",omitempty"`
	Created  time.Time
	Modified time.Time
}

// urlPlace says whose an address is, under its id, for all accounts and regions.
type urlPlace struct {
	Account, Region string
	Function        string
	Qualifier       string `json:",omitempty"`
}

var (
	urlRecords = store.NewTable[functionURL]("lambda", "url")
	urlPlaces  = store.NewTable[urlPlace]("lambda", "urlplace")
)

func (p urlPlace) ref() ref {
	return ref{store.Scope{Account: p.Account, Region: p.Region}, p.Function}
}

const (
	urlIDLength   = 32
	urlIDAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
)

// pinnedTag is the tag by which a function's owner chooses the id of its address; an
// alias' has the alias behind it.
const pinnedTag = "_custom_id_"

var pinnable = regexp.MustCompile(`^[a-z0-9_-]{1,63}$`)

// urlID is the id of a new address.
func (s *Service) urlID(ctx context.Context, r store.Reader, f *function, qualifier string) (string, error) {
	id := strings.ToLower(f.Tags[pinnedTag])
	if id == "" {
		return aws.RandomID(s.Random, urlIDAlphabet, urlIDLength), nil
	}
	if qualifier != "" {
		id += "-" + qualifier
	}
	if !pinnable.MatchString(id) {
		return "", invalid("The tag %s must have 1 to 63 letters, digits, '-' or '_'.", pinnedTag)
	}
	at, err := urlPlaces.Get(ctx, r, store.Scope{}, id)
	if errors.Is(err, store.ErrNotFound) {
		return id, nil
	}
	if err != nil {
		return "", err
	}
	// What a reset of one account has left is free again.
	has, err := urlRecords.Has(ctx, r, at.ref().scope, at.Function, orLatest(at.Qualifier))
	if err == nil && has {
		err = conflict("The id %s is that of another function's URL.", id)
	}
	return id, err
}

// parseURLName is the function that an operation on addresses means, and the alias or "".
func parseURLName(ctx context.Context, name, beside *string) (ref, string, error) {
	at, q, err := parseName(ctx, name, beside)
	if err == nil && (q == latest || q != "" && strings.Trim(q, "0123456789") == "") {
		err = invalidValue(q, "qualifier", `Member must satisfy regular expression pattern: ((?!^\d+$)^[0-9a-zA-Z-_]+$)`)
	}
	return at, q, err
}

// urlTime is when, in the text that these operations have instead of a timestamp.
func urlTime(t time.Time) *string { return ptr(t.UTC().Format("2006-01-02T15:04:05.000000Z")) }

// publicURL is where a caller of the API reaches the function with the id: AWS's own
// name where that led here, else one below this machine's.
func publicURL(ctx context.Context, scope store.Scope, id string) *string {
	req := aws.RequestOf(ctx)
	host, port, err := net.SplitHostPort(req.Host)
	if err != nil {
		host, port = req.Host, ""
	}
	label := id + ".lambda-url." + scope.Region + "."
	if host == "amazonaws.com" || strings.HasSuffix(host, ".amazonaws.com") {
		return ptr("https://" + label + "on.aws/")
	}
	const local = "localhost.localstack.cloud"
	domain := host
	if host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, "."+local) || net.ParseIP(strings.Trim(host, "[]")) != nil {
		domain = local
	}
	if port != "" {
		domain = net.JoinHostPort(domain, port)
	}
	return ptr(or(req.Scheme, "https") + "://" + label + domain + "/")
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (u *functionURL) shown(ctx context.Context, at ref, qualifier string) api.FunctionUrlConfig {
	return api.FunctionUrlConfig{AuthType: &u.Auth, Cors: u.Cors, CreationTime: urlTime(u.Created), LastModifiedTime: urlTime(u.Modified),
		FunctionArn: ptr(at.arn(qualifier)), FunctionUrl: publicURL(ctx, at.scope, u.ID), InvokeMode: &u.Mode}
}

func (s *Service) createURL(ctx context.Context, in *api.CreateFunctionUrlConfigRequest) (*api.CreateFunctionUrlConfigResponse, error) {
	at, q, err := parseURLName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	u := functionURL{Auth: *in.AuthType, Mode: or(aws.Value(in.InvokeMode), api.InvokeModeBuffered), Cors: in.Cors, Created: s.Clock.Now()}
	u.Modified = u.Created
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		t, err := s.resolve(ctx, tx, at, q)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			return notFound("Function does not exist")
		}
		if err != nil {
			return err
		}
		has, err := urlRecords.Has(ctx, tx, at.scope, at.name, orLatest(q))
		if err != nil || has {
			return cmpError(err, conflict("Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", at.arn(q)))
		}
		if u.ID, err = s.urlID(ctx, tx, t.function, q); err != nil {
			return err
		}
		if err := urlPlaces.Put(tx, store.Scope{}, urlPlace{at.scope.Account, at.scope.Region, at.name, q}, u.ID); err != nil {
			return err
		}
		return urlRecords.Put(tx, at.scope, u, at.name, orLatest(q))
	})
	if err != nil {
		return nil, err
	}
	c := u.shown(ctx, at, q)
	return &api.CreateFunctionUrlConfigResponse{AuthType: c.AuthType, Cors: c.Cors, CreationTime: c.CreationTime,
		FunctionArn: c.FunctionArn, FunctionUrl: c.FunctionUrl, InvokeMode: c.InvokeMode}, nil
}

// url reads an address; one that is not there is AWS's error for that.
func (s *Service) url(ctx context.Context, r store.Reader, at ref, qualifier string) (functionURL, error) {
	u, err := urlRecords.Get(ctx, r, at.scope, at.name, orLatest(qualifier))
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("The resource you requested does not exist.")
	}
	return u, err
}

func (s *Service) getURL(ctx context.Context, in *api.GetFunctionUrlConfigRequest) (*api.GetFunctionUrlConfigResponse, error) {
	at, q, err := parseURLName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var u functionURL
	err = s.Store.View(ctx, func(r store.Reader) error {
		u, err = s.url(ctx, r, at, q)
		return err
	})
	return ptr(api.GetFunctionUrlConfigResponse(u.shown(ctx, at, q))), err
}

func (s *Service) updateURL(ctx context.Context, in *api.UpdateFunctionUrlConfigRequest) (*api.UpdateFunctionUrlConfigResponse, error) {
	at, q, err := parseURLName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	var u functionURL
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		if u, err = s.url(ctx, tx, at, q); err != nil {
			return err
		}
		u.Auth, u.Mode = or(aws.Value(in.AuthType), u.Auth), or(aws.Value(in.InvokeMode), u.Mode)
		if in.Cors != nil {
			u.Cors = in.Cors
		}
		u.Modified = s.Clock.Now()
		return urlRecords.Put(tx, at.scope, u, at.name, orLatest(q))
	})
	return ptr(api.UpdateFunctionUrlConfigResponse(u.shown(ctx, at, q))), err
}

func (s *Service) deleteURL(ctx context.Context, in *api.DeleteFunctionUrlConfigRequest) (*aws.Empty, error) {
	at, q, err := parseURLName(ctx, in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if _, err := s.url(ctx, tx, at, q); err != nil {
			return err
		}
		return dropURL(ctx, tx, at, q)
	})
}

// dropURL forgets an address, if there is one.
func dropURL(ctx context.Context, tx store.Tx, at ref, qualifier string) error {
	u, err := urlRecords.Get(ctx, tx, at.scope, at.name, orLatest(qualifier))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := urlPlaces.Delete(tx, store.Scope{}, u.ID); err != nil {
		return err
	}
	return urlRecords.Delete(tx, at.scope, at.name, orLatest(qualifier))
}

// dropURLs forgets all of a function's.
func dropURLs(ctx context.Context, tx store.Tx, at ref) error {
	for e, err := range urlRecords.List(ctx, tx, at.scope, store.ListOptions{Prefix: []any{at.name}}) {
		if err != nil {
			return err
		}
		if err := urlPlaces.Delete(tx, store.Scope{}, e.Record.ID); err != nil {
			return err
		}
	}
	return urlRecords.DeleteAll(tx, at.scope, at.name)
}

func (s *Service) listURLs(ctx context.Context, in *api.ListFunctionUrlConfigsRequest) (*api.ListFunctionUrlConfigsResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	o, limit, err := page(in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	o.Prefix = []any{at.name}
	if o.After != nil {
		o.After = []any{at.name, o.After[0]}
	}
	var out *api.ListFunctionUrlConfigsResponse
	err = s.Store.View(ctx, func(r store.Reader) error {
		out = &api.ListFunctionUrlConfigsResponse{FunctionUrlConfigs: []api.FunctionUrlConfig{}}
		if has, err := functionRecords.Has(ctx, r, at.scope, at.name); err != nil || !has {
			return cmpError(err, notFound("Function does not exist"))
		}
		last := ""
		for e, err := range urlRecords.List(ctx, r, at.scope, o) {
			if err != nil {
				return err
			}
			if len(out.FunctionUrlConfigs) == limit {
				out.NextMarker = ptr(aws.Token(last))
				break
			}
			last = e.Key.String(1)
			qualifier := last
			if qualifier == latest {
				qualifier = ""
			}
			out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, e.Record.shown(ctx, at, qualifier))
		}
		return nil
	})
	return out, err
}

// urlNeeds is the access to a function's address: with how its callers show who they
// are, as it stands or as it is to be.
func (s *Service) urlNeeds(ctx context.Context, name, qualifier, auth *string) ([]aws.Access, error) {
	at, q, err := parseName(ctx, name, qualifier)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{"lambda:FunctionArn": {at.arn(q)}}
	if auth != nil {
		keys[urlAuthType] = []string{*auth}
		return s.needs(ctx, name, qualifier, keys)
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		u, err := urlRecords.Get(ctx, r, at.scope, at.name, orLatest(q))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		keys[urlAuthType] = []string{u.Auth}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.needs(ctx, name, qualifier, keys)
}

func (s *Service) guardCreateURL(ctx context.Context, in *api.CreateFunctionUrlConfigRequest) ([]aws.Access, error) {
	return s.urlNeeds(ctx, in.FunctionName, in.Qualifier, in.AuthType)
}

func (s *Service) guardGetURL(ctx context.Context, in *api.GetFunctionUrlConfigRequest) ([]aws.Access, error) {
	return s.urlNeeds(ctx, in.FunctionName, in.Qualifier, nil)
}

func (s *Service) guardUpdateURL(ctx context.Context, in *api.UpdateFunctionUrlConfigRequest) ([]aws.Access, error) {
	return s.urlNeeds(ctx, in.FunctionName, in.Qualifier, in.AuthType)
}

func (s *Service) guardDeleteURL(ctx context.Context, in *api.DeleteFunctionUrlConfigRequest) ([]aws.Access, error) {
	return s.urlNeeds(ctx, in.FunctionName, in.Qualifier, nil)
}

func (s *Service) guardListURLs(ctx context.Context, in *api.ListFunctionUrlConfigsRequest) ([]aws.Access, error) {
	return s.needs(ctx, in.FunctionName, nil, nil)
}
