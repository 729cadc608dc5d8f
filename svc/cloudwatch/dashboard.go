package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A dashboard is a page of widgets. Dashboards are the account's, in no region.
type dashboard struct {
	Body     string
	Modified time.Time
}

var dashboardName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// maxDashboard is how long a dashboard's body may be, and maxWidgets how many it has.
const (
	maxDashboard = 1 << 20
	maxWidgets   = 500
)

func dashboardARN(account, name string) string {
	return aws.NewARN("cloudwatch", "", account, "dashboard/"+name).String()
}

func dashboardScope(ctx context.Context) store.Scope {
	return store.Scope{Account: aws.RequestOf(ctx).Account()}
}

func (s *Service) putDashboard(ctx context.Context, in *api.PutDashboardInput) (*api.PutDashboardOutput, error) {
	if !dashboardName.MatchString(*in.DashboardName) {
		return nil, invalidDashboard("The value "+*in.DashboardName+" for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and underscore (_).", nil)
	}
	found, fatal := inspect(*in.DashboardBody)
	if fatal {
		return nil, invalidDashboard(fmt.Sprintf("The dashboard body is invalid, there are %d validation errors", len(found)), found)
	}
	scope := dashboardScope(ctx)
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		had, err := dashboards.Has(ctx, tx, scope, *in.DashboardName)
		if err == nil && !had {
			err = putTags(ctx, tx, scope, "dashboard/"+*in.DashboardName, in.Tags)
		}
		return errors.Join(err, dashboards.Put(tx, scope, dashboard{*in.DashboardBody, s.Clock.Now()}, *in.DashboardName))
	})
	if err != nil {
		return nil, err
	}
	return &api.PutDashboardOutput{DashboardValidationMessages: append([]api.DashboardValidationMessage{}, found...)}, nil
}

func invalidDashboard(text string, found []api.DashboardValidationMessage) error {
	return api.DashboardInvalidInputError("%s", text).With(&api.DashboardInvalidInputErrorDetail{DashboardValidationMessages: found})
}

// inspect looks a dashboard's body through. What is fatal is not kept.
func inspect(body string) (found []api.DashboardValidationMessage, fatal bool) {
	note := func(path, text string) {
		found = append(found, api.DashboardValidationMessage{DataPath: &path, Message: &text})
	}
	var doc struct {
		Widgets *[]map[string]json.RawMessage `json:"widgets"`
	}
	switch {
	case len(body) > maxDashboard:
		note("/", "The dashboard body is too long")
		return found, true
	case json.Unmarshal([]byte(body), &doc) != nil:
		note("/", "The dashboard body is invalid, JSON parsing failed")
		return found, true
	case doc.Widgets == nil:
		note("/", `Should have required property "widgets"`)
		return found, true
	case len(*doc.Widgets) > maxWidgets:
		note("/widgets", fmt.Sprintf("Should not have more than %d items", maxWidgets))
		return found, true
	}
	known := map[string]bool{"metric": true, "text": true, "log": true, "alarm": true, "explorer": true, "custom": true}
	for i, w := range *doc.Widgets {
		path := fmt.Sprintf("/widgets/%d", i)
		var kind string
		if json.Unmarshal(w["type"], &kind) != nil || !known[kind] {
			note(path+"/type", "Should be equal to one of the allowed values: metric, text, log, alarm, explorer, custom")
			fatal = true
		}
		if w["properties"] == nil {
			note(path, `Should have required property "properties"`)
			fatal = true
		}
		for _, side := range []string{"width", "height"} {
			var n float64
			if w[side] != nil && (json.Unmarshal(w[side], &n) != nil || n < 1 || n > 1000) {
				note(path+"/"+side, "Should be a number from 1 to 1000")
				fatal = true
			}
		}
	}
	return found, fatal
}

func (s *Service) getDashboard(ctx context.Context, in *api.GetDashboardInput) (*api.GetDashboardOutput, error) {
	var d dashboard
	scope := dashboardScope(ctx)
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		d, err = dashboards.Get(ctx, r, scope, *in.DashboardName)
		if errors.Is(err, store.ErrNotFound) {
			return api.DashboardNotFoundError("Dashboard %s does not exist", *in.DashboardName)
		}
		return err
	})
	return &api.GetDashboardOutput{DashboardArn: new(dashboardARN(scope.Account, *in.DashboardName)), DashboardBody: &d.Body, DashboardName: in.DashboardName}, err
}

func (s *Service) deleteDashboards(ctx context.Context, in *api.DeleteDashboardsInput) (*api.DeleteDashboardsOutput, error) {
	scope := dashboardScope(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		for _, name := range in.DashboardNames {
			had, err := dashboards.Has(ctx, tx, scope, name)
			if err == nil && !had {
				err = api.DashboardNotFoundError("Dashboard %s does not exist", name)
			}
			if err := errors.Join(err, dashboards.Delete(tx, scope, name), dropTags(tx, scope, "dashboard/"+name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// dashboardPage is how many dashboards one answer lists.
const dashboardPage = 1000

func (s *Service) listDashboards(ctx context.Context, in *api.ListDashboardsInput) (*api.ListDashboardsOutput, error) {
	scope := dashboardScope(ctx)
	out := &api.ListDashboardsOutput{DashboardEntries: []api.DashboardEntry{}}
	var after string
	o := store.ListOptions{}
	if in.NextToken != nil {
		if !aws.ParseToken(*in.NextToken, &after) {
			return nil, invalidValue("Invalid nextToken")
		}
		o.After = []any{after}
	}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range dashboards.List(ctx, r, scope, o) {
			if err != nil {
				return err
			}
			name := e.Key.String(0)
			if !strings.HasPrefix(name, aws.Value(in.DashboardNamePrefix)) {
				continue
			}
			if len(out.DashboardEntries) == dashboardPage {
				out.NextToken = new(aws.Token(*out.DashboardEntries[dashboardPage-1].DashboardName))
				return nil
			}
			out.DashboardEntries = append(out.DashboardEntries, api.DashboardEntry{DashboardArn: new(dashboardARN(scope.Account, name)),
				DashboardName: &name, LastModified: &e.Record.Modified, Size: new(int64(len(e.Record.Body)))})
		}
		return nil
	})
	return out, err
}
