package sns

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// application is a mobile app at a push service.
type application struct {
	Platform, Name string
	Attributes     map[string]string
}

// appEndpoint is a device that has the app.
type appEndpoint struct {
	ID         string
	Attributes map[string]string
}

var (
	platforms       = []string{"ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX", "BAIDU", "FCM", "GCM", "MPNS", "WNS"}
	applicationName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	// applicationAttributes are those that applications have, beside credentials, which
	// are kept from nobody's eyes by never being shown.
	applicationAttributes = []string{"PlatformCredential", "PlatformPrincipal", "EventEndpointCreated", "EventEndpointDeleted", "EventEndpointUpdated",
		"EventDeliveryFailure", "SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate", "Enabled",
		"ApplePlatformTeamID", "ApplePlatformBundleID", "AuthenticationMethod"}
	endpointAttributes = []string{"CustomUserData", "Enabled", "Token"}
)

func (a *application) arn(scope store.Scope) string {
	return aws.NewARN("sns", scope.Region, scope.Account, "app/"+a.Platform+"/"+a.Name).String()
}

// parseApplication reads an application's ARN; parts are platform and name.
func parseApplication(ctx context.Context, arn *string) (scope store.Scope, platform, name string, err error) {
	scope, parts, err := parseMobile(ctx, "PlatformApplicationArn", "app", 3, arn)
	if err != nil {
		return scope, "", "", err
	}
	return scope, parts[1], parts[2], nil
}

func parseMobile(ctx context.Context, member, kind string, slashes int, arn *string) (store.Scope, []string, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	text := aws.Value(arn)
	if n := strings.Count(text, ":") + 1; n < 6 {
		return scope, nil, invalid("%s Reason: An ARN must have at least 6 elements, not %d", member, n)
	}
	a, ok := aws.ParseARN(text)
	parts := strings.Split(a.Resource, "/")
	if !ok || a.Service != "sns" {
		return scope, nil, invalid("%s", member)
	}
	if len(parts) != slashes || parts[0] != kind {
		return scope, nil, invalid("%s Reason: Wrong number of slashes in relative portion of the ARN.", member)
	}
	if a.Region != scope.Region || a.Account != scope.Account {
		return scope, nil, invalid("%s", member)
	}
	return scope, parts, nil
}

func (s *Service) createPlatformApplication(ctx context.Context, in *api.CreatePlatformApplicationInput) (*api.CreatePlatformApplicationResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	a := application{Platform: *in.Platform, Name: *in.Name}
	if err := a.check(in.Attributes); err != nil {
		return nil, err
	}
	if (a.Platform == "GCM" || a.Platform == "FCM") && in.Attributes["PlatformCredential"] == "" {
		return nil, invalid("Attributes Reason: PlatformCredential attribute is required")
	}
	a.Attributes = kept(in.Attributes)
	if a.Attributes["Enabled"] == "" {
		a.Attributes["Enabled"] = "true"
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := applications.Get(ctx, tx, scope, a.Platform, a.Name)
		if err == nil {
			if !maps.Equal(have.Attributes, a.Attributes) {
				return invalid("Attributes Reason: Platform application already exists with different attributes")
			}
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return applications.Put(tx, scope, a, a.Platform, a.Name)
	})
	return &api.CreatePlatformApplicationResponse{PlatformApplicationArn: new(a.arn(scope))}, err
}

func (a *application) check(attributes map[string]string) error {
	switch {
	case a.Name == "":
		return invalid("%s Reason: cannot be empty", a.Name)
	case len(a.Name) > 256:
		return invalid("%s Reason: must be at most 256 characters long", a.Name)
	case !applicationName.MatchString(a.Name):
		return invalid("%s Reason: must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'", a.Name)
	case !slices.Contains(platforms, a.Platform):
		return invalid("Platform Reason: %s is not supported", a.Platform)
	}
	if err := checkNames(attributes, applicationAttributes); err != nil {
		return err
	}
	_, credential := attributes["PlatformCredential"]
	_, who := attributes["PlatformPrincipal"]
	single := a.Platform == "GCM" || a.Platform == "FCM"
	switch {
	case who && !credential:
		return invalid("Attributes Reason: PlatformPrincipal attribute provided without PlatformCredential")
	case credential && !who && !single:
		return invalid("Attributes Reason: PlatformCredential attribute provided without PlatformPrincipal")
	}
	return nil
}

func checkNames(attributes map[string]string, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if !slices.Contains(known, name) {
			return invalid("Attributes Reason: Invalid attribute name: %s", name)
		}
	}
	return nil
}

// kept are the attributes without credentials.
func kept(attributes map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range attributes {
		if k != "PlatformCredential" && k != "PlatformPrincipal" {
			out[k] = v
		}
	}
	return out
}

func noApplication() error { return api.NotFoundException("PlatformApplication does not exist") }

func getApplication(ctx context.Context, r store.Reader, scope store.Scope, platform, name string) (application, error) {
	a, err := applications.Get(ctx, r, scope, platform, name)
	if errors.Is(err, store.ErrNotFound) {
		return a, noApplication()
	}
	return a, err
}

func (s *Service) deletePlatformApplication(ctx context.Context, in *api.DeletePlatformApplicationInput) (*aws.Empty, error) {
	scope, platform, name, err := parseApplication(ctx, in.PlatformApplicationArn)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		return errors.Join(applications.Delete(tx, scope, platform, name), endpoints.DeleteAll(tx, scope, platform, name), endpointTokens.DeleteAll(tx, scope, platform, name))
	})
}

func (s *Service) getPlatformApplicationAttributes(ctx context.Context, in *api.GetPlatformApplicationAttributesInput) (*api.GetPlatformApplicationAttributesResponse, error) {
	scope, platform, name, err := parseApplication(ctx, in.PlatformApplicationArn)
	if err != nil {
		return nil, err
	}
	out := &api.GetPlatformApplicationAttributesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		a, err := getApplication(ctx, r, scope, platform, name)
		out.Attributes = a.Attributes
		return err
	})
}

func (s *Service) setPlatformApplicationAttributes(ctx context.Context, in *api.SetPlatformApplicationAttributesInput) (*aws.Empty, error) {
	scope, platform, name, err := parseApplication(ctx, in.PlatformApplicationArn)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := getApplication(ctx, tx, scope, platform, name)
		if err != nil {
			return err
		}
		if err := checkNames(in.Attributes, applicationAttributes); err != nil {
			return err
		}
		maps.Copy(a.Attributes, kept(in.Attributes))
		return applications.Put(tx, scope, a, platform, name)
	})
}

func (s *Service) listPlatformApplications(ctx context.Context, in *api.ListPlatformApplicationsInput) (*api.ListPlatformApplicationsResponse, error) {
	req := aws.RequestOf(ctx)
	scope := store.Scope{Account: req.Account(), Region: req.Region}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &api.ListPlatformApplicationsResponse{PlatformApplications: []api.PlatformApplication{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		var last []string
		for e, err := range applications.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.PlatformApplications) == pageSize {
				out.NextToken = new(aws.Token(last))
				return nil
			}
			last = []string{e.Record.Platform, e.Record.Name}
			out.PlatformApplications = append(out.PlatformApplications, api.PlatformApplication{PlatformApplicationArn: new(e.Record.arn(scope)), Attributes: e.Record.Attributes})
		}
		return nil
	})
}

func endpointARN(scope store.Scope, platform, name, id string) string {
	return aws.NewARN("sns", scope.Region, scope.Account, "endpoint/"+platform+"/"+name+"/"+id).String()
}

func checkEndpointAttributes(attributes map[string]string) error {
	if err := checkNames(attributes, endpointAttributes); err != nil {
		return err
	}
	if len(attributes["CustomUserData"]) > 2048 {
		return invalid("Attributes Reason: Invalid value for attribute: CustomUserData: must be at most 2048 bytes long in UTF-8 encoding")
	}
	return nil
}

func (s *Service) createPlatformEndpoint(ctx context.Context, in *api.CreatePlatformEndpointInput) (*api.CreateEndpointResponse, error) {
	scope, platform, name, err := parseApplication(ctx, in.PlatformApplicationArn)
	if err != nil {
		return nil, err
	}
	if err := checkEndpointAttributes(in.Attributes); err != nil {
		return nil, err
	}
	e := appEndpoint{Attributes: map[string]string{"Enabled": "true", "Token": *in.Token}}
	if in.CustomUserData != nil {
		e.Attributes["CustomUserData"] = *in.CustomUserData
	}
	maps.Copy(e.Attributes, in.Attributes)
	id := aws.RandomUUID(s.Random)
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		e.ID = id
		if _, err := getApplication(ctx, tx, scope, platform, name); err != nil {
			return err
		}
		have, err := endpointTokens.Get(ctx, tx, scope, platform, name, *in.Token)
		if err == nil {
			old, err := endpoints.Get(ctx, tx, scope, platform, name, string(have))
			if err != nil {
				return err
			}
			if e.ID = old.ID; !maps.Equal(old.Attributes, e.Attributes) {
				return invalid("Token Reason: Endpoint %s already exists with the same Token, but different attributes.", endpointARN(scope, platform, name, old.ID))
			}
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return errors.Join(endpoints.Put(tx, scope, e, platform, name, e.ID), endpointTokens.Put(tx, scope, []byte(e.ID), platform, name, *in.Token))
	})
	return &api.CreateEndpointResponse{EndpointArn: new(endpointARN(scope, platform, name, e.ID))}, err
}

func (s *Service) endpoint(ctx context.Context, r store.Reader, scope store.Scope, parts []string) (appEndpoint, error) {
	e, err := endpoints.Get(ctx, r, scope, parts[1], parts[2], parts[3])
	if errors.Is(err, store.ErrNotFound) {
		return e, api.NotFoundException("Endpoint does not exist")
	}
	return e, err
}

func (s *Service) deleteEndpoint(ctx context.Context, in *api.DeleteEndpointInput) (*aws.Empty, error) {
	scope, parts, err := parseMobile(ctx, "EndpointArn", "endpoint", 4, in.EndpointArn)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		e, err := s.endpoint(ctx, tx, scope, parts)
		if aws.CodeOf(err) == "NotFound" {
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(endpoints.Delete(tx, scope, parts[1], parts[2], parts[3]), endpointTokens.Delete(tx, scope, parts[1], parts[2], e.Attributes["Token"]))
	})
}

func (s *Service) getEndpointAttributes(ctx context.Context, in *api.GetEndpointAttributesInput) (*api.GetEndpointAttributesResponse, error) {
	scope, parts, err := parseMobile(ctx, "EndpointArn", "endpoint", 4, in.EndpointArn)
	if err != nil {
		return nil, err
	}
	out := &api.GetEndpointAttributesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		e, err := s.endpoint(ctx, r, scope, parts)
		out.Attributes = e.Attributes
		return err
	})
}

func (s *Service) setEndpointAttributes(ctx context.Context, in *api.SetEndpointAttributesInput) (*aws.Empty, error) {
	scope, parts, err := parseMobile(ctx, "EndpointArn", "endpoint", 4, in.EndpointArn)
	if err != nil {
		return nil, err
	}
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		e, err := s.endpoint(ctx, tx, scope, parts)
		if err != nil {
			return err
		}
		if err := checkEndpointAttributes(in.Attributes); err != nil {
			return err
		}
		old := e.Attributes["Token"]
		maps.Copy(e.Attributes, in.Attributes)
		return errors.Join(endpointTokens.Delete(tx, scope, parts[1], parts[2], old),
			endpointTokens.Put(tx, scope, []byte(e.ID), parts[1], parts[2], e.Attributes["Token"]),
			endpoints.Put(tx, scope, e, parts[1], parts[2], parts[3]))
	})
}

func (s *Service) listEndpoints(ctx context.Context, in *api.ListEndpointsByPlatformApplicationInput) (*api.ListEndpointsByPlatformApplicationResponse, error) {
	scope, platform, name, err := parseApplication(ctx, in.PlatformApplicationArn)
	if err != nil {
		return nil, err
	}
	o, err := page(in.NextToken)
	if err != nil {
		return nil, err
	}
	o.Prefix = []any{platform, name}
	out := &api.ListEndpointsByPlatformApplicationResponse{Endpoints: []api.Endpoint{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		if _, err := getApplication(ctx, r, scope, platform, name); err != nil {
			return err
		}
		last := ""
		for e, err := range endpoints.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			if len(out.Endpoints) == pageSize {
				out.NextToken = new(aws.Token([]string{platform, name, last}))
				return nil
			}
			last = e.Record.ID
			out.Endpoints = append(out.Endpoints, api.Endpoint{EndpointArn: new(endpointARN(scope, platform, name, last)), Attributes: e.Record.Attributes})
		}
		return nil
	})
}

// platformOf is the key of a message's body for a subscriber: apps have their push
// service's.
func platformOf(sub *subscriber) string {
	if sub.Protocol != "application" {
		return sub.Protocol
	}
	if parts := strings.Split(sub.Endpoint, "/"); len(parts) > 1 {
		return parts[1]
	}
	return sub.Protocol
}

// publishToEndpoint sends a message to one device.
func (s *Service) publishToEndpoint(ctx context.Context, arn string, e entry) (*api.PublishResponse, error) {
	scope, parts, err := parseMobile(ctx, "TargetArn", "endpoint", 4, &arn)
	if err != nil {
		return nil, err
	}
	m, err := s.newMessage(ctx, e)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(r store.Reader) error {
		have, err := s.endpoint(ctx, r, scope, parts)
		switch {
		case aws.CodeOf(err) == "NotFound":
			return invalid("TargetArn Reason: No endpoint found for the target arn specified")
		case err == nil && have.Attributes["Enabled"] != "true":
			return api.EndpointDisabledException("Endpoint is disabled")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &api.PublishResponse{MessageId: &m.ID}, s.keepPushed(ctx, pushedMessage{Target: arn, ID: m.ID, Body: m.body(parts[1]), Subject: m.Subject}, scope)
}
