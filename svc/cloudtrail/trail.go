package cloudtrail

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A trail says which events are put where. It lives in its home region.
type trail struct {
	Name, Account, Region string
	Bucket, Prefix, Key   string // where to, and the KMS key of what is put there
	Topic, TopicARN       string // the topic as it was named, and its ARN
	Group, Role           string // of CloudWatch Logs
	Global, Multi         bool   // events of global services; of all regions
	Organization          bool   // of all accounts of the organization
	OrganizationID        string
	Validation            bool
	Logging               bool
	Started, Stopped      time.Time
	Selectors             []api.EventSelector
	Advanced              []api.AdvancedEventSelector
	Insights              []api.InsightSelector
	Tags                  []api.Tag
}

// trails are kept by home region and name.
var trails = store.NewTable[trail]("cloudtrail", "trail")

// maxTrails is how many trails a region has: AWS's quota.
const maxTrails = 5

func (t *trail) arn() string {
	return aws.NewARN("cloudtrail", t.Region, t.Account, "trail/"+t.Name).String()
}

func (t *trail) scope() store.Scope { return store.Scope{Account: t.Account} }

func (t *trail) put(tx store.Tx) error { return trails.Put(tx, t.scope(), *t, t.Region, t.Name) }

// trailsOf are the trails of an account, by home region and name.
func trailsOf(ctx context.Context, r store.Reader, account string) ([]trail, error) {
	var out []trail
	for e, err := range trails.List(ctx, r, store.Scope{Account: account}, store.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		out = append(out, e.Record)
	}
	return out, nil
}

// seenFrom are the trails that an account sees in a region: its own, those that reach
// here from other regions, and those of its organization.
func (s *Service) seenFrom(ctx context.Context, r store.Reader, account, region string, manager string) ([]trail, error) {
	out, err := trailsOf(ctx, r, account)
	if err != nil {
		return nil, err
	}
	if manager != "" && manager != account {
		theirs, err := trailsOf(ctx, r, manager)
		if err != nil {
			return nil, err
		}
		out = append(out, slices.DeleteFunc(theirs, func(t trail) bool { return !t.Organization })...)
	}
	return slices.DeleteFunc(out, func(t trail) bool { return !t.Multi && t.Region != region }), nil
}

// organization is where an account stands: in which organization, and who manages it.
func (s *Service) organization(ctx context.Context, account string) (id, manager string, err error) {
	if s.Organization == nil {
		return "", "", nil
	}
	return s.Organization(ctx, account)
}

// A trailName is a trail as an input names it: in full, or for the caller's region.
type trailName struct {
	account, region, name string
	text                  string
	whole                 bool // an ARN
}

func (n *trailName) arn() string {
	return aws.NewARN("cloudtrail", n.region, n.account, "trail/"+n.name).String()
}

func (n *trailName) unknown(caller string) error {
	return api.TrailNotFoundException("Unknown trail: %s for the user: %s", n.text, caller)
}

// parseTrail reads a name or an ARN.
func parseTrail(ctx context.Context, text string) (*trailName, error) {
	r := aws.RequestOf(ctx)
	if !strings.HasPrefix(text, "arn:") {
		if err := checkTrailName(text); err != nil {
			return nil, err
		}
		return &trailName{r.Account(), r.Region, text, text, false}, nil
	}
	a, ok := aws.ParseARN(text)
	name, isTrail := strings.CutPrefix(a.Resource, "trail/")
	if !ok || a.Service != "cloudtrail" || !isTrail || a.Region == "" || !aws.ValidAccount(a.Account) {
		return nil, api.CloudTrailARNInvalidException("The ARN %s is not that of a trail.", text)
	}
	if err := checkTrailName(name); err != nil {
		return nil, err
	}
	return &trailName{a.Account, a.Region, name, text, true}, nil
}

// checkTrailName holds a name against AWS's rules.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
func checkTrailName(name string) error {
	bad := api.InvalidTrailNameException
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	switch {
	case name == "":
		return bad("Trail name cannot be blank!")
	case len(name) < 3:
		return bad("Trail name too short. Minimum allowed length: 3 characters. Specified name length: %d characters.", len(name))
	case len(name) > 128:
		return bad("Trail name too long. Maximum allowed length: 128 characters. Specified name length: %d characters.", len(name))
	case strings.Trim(name, letters+"._-") != "":
		return bad("Trail name or ARN can only contain uppercase letters, lowercase letters, numbers, periods (.), hyphens (-), and underscores (_).")
	case !strings.Contains(letters, name[:1]):
		return bad("Trail name must starts with a letter or number.")
	case !strings.Contains(letters, name[len(name)-1:]):
		return bad("Trail name must ends with a letter or number.")
	}
	for i := 1; i < len(name); i++ {
		if strings.Contains("._-", name[i:i+1]) && strings.Contains("._-", name[i-1:i]) {
			return bad("Trail name cannot have adjacent periods, underscores or hyphens.")
		}
	}
	for i, part := range strings.Split(name, ".") {
		if strings.Trim(part, "0123456789") != "" {
			break
		}
		if i == 3 && strings.Count(name, ".") == 3 {
			return bad("Trail name cannot be formatted as an IP address.")
		}
	}
	return nil
}

// find is the trail of a name, as the caller sees it.
func (s *Service) find(ctx context.Context, r store.Reader, n *trailName, manager string) (*trail, error) {
	req := aws.RequestOf(ctx)
	if n.account != req.Account() && n.account != manager {
		return nil, n.unknown(req.Account())
	}
	if n.whole {
		t, err := trails.Get(ctx, r, store.Scope{Account: n.account}, n.region, n.name)
		if errors.Is(err, store.ErrNotFound) || err == nil && n.account != req.Account() && !t.Organization {
			return nil, n.unknown(req.Account())
		}
		return &t, err
	}
	seen, err := s.seenFrom(ctx, r, req.Account(), req.Region, manager)
	if err != nil {
		return nil, err
	}
	for i := range seen {
		if seen[i].Name == n.name {
			return &seen[i], nil
		}
	}
	return nil, n.unknown(req.Account())
}

// look reads a trail.
func (s *Service) look(ctx context.Context, text *string) (*trail, error) {
	n, err := parseTrail(ctx, aws.Value(text))
	if err != nil {
		return nil, err
	}
	_, manager, err := s.organization(ctx, aws.RequestOf(ctx).Account())
	if err != nil {
		return nil, err
	}
	var t *trail
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		t, err = s.find(ctx, r, n, manager)
		return err
	})
	return t, err
}

// change changes a trail of the caller's, in its home region, and has what is recorded
// from now on go by it.
func (s *Service) change(ctx context.Context, text *string, do func(store.Tx, *trail) error) (*trail, error) {
	n, err := parseTrail(ctx, aws.Value(text))
	if err != nil {
		return nil, err
	}
	req := aws.RequestOf(ctx)
	_, manager, err := s.organization(ctx, req.Account())
	if err != nil {
		return nil, err
	}
	var t *trail
	err = s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if t, err = s.find(ctx, tx, n, manager); err != nil {
			return err
		}
		if t.Account != req.Account() {
			return api.NotOrganizationMasterAccountException("Only the management account of the organization may change the trail %s.", t.arn())
		}
		if t.Region != req.Region {
			return api.InvalidHomeRegionException("The trail %s can be changed in its home region alone: %s.", t.Name, t.Region)
		}
		return do(tx, t)
	})
	if err != nil {
		return nil, err
	}
	return t, s.learn(ctx)
}

// described is a trail as the API has it.
func (t *trail) described() *api.Trail {
	custom := t.Selectors != nil || t.Advanced != nil
	out := &api.Trail{Name: &t.Name, S3BucketName: &t.Bucket, HomeRegion: &t.Region, TrailARN: new(t.arn()), IncludeGlobalServiceEvents: &t.Global,
		IsMultiRegionTrail: &t.Multi, IsOrganizationTrail: &t.Organization, LogFileValidationEnabled: &t.Validation,
		HasCustomEventSelectors: &custom, HasInsightSelectors: new(len(t.Insights) > 0)}
	for _, m := range []struct {
		to   **string
		from *string
	}{{&out.S3KeyPrefix, &t.Prefix}, {&out.SnsTopicName, &t.Topic}, {&out.SnsTopicARN, &t.TopicARN}, {&out.KmsKeyId, &t.Key},
		{&out.CloudWatchLogsLogGroupArn, &t.Group}, {&out.CloudWatchLogsRoleArn, &t.Role}} {
		if *m.from != "" {
			*m.to = m.from
		}
	}
	return out
}

func (s *Service) getTrail(ctx context.Context, in *api.GetTrailRequest) (*api.GetTrailResponse, error) {
	t, err := s.look(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &api.GetTrailResponse{Trail: t.described()}, nil
}

// describeTrails answers those of the names that there are, or all.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
func (s *Service) describeTrails(ctx context.Context, in *api.DescribeTrailsRequest) (*api.DescribeTrailsResponse, error) {
	out := &api.DescribeTrailsResponse{TrailList: []api.Trail{}}
	req := aws.RequestOf(ctx)
	_, manager, err := s.organization(ctx, req.Account())
	if err != nil {
		return nil, err
	}
	var seen []trail
	err = s.Store.View(ctx, func(r store.Reader) (err error) {
		seen, err = s.seenFrom(ctx, r, req.Account(), req.Region, manager)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range seen {
		t := &seen[i]
		shadow := t.Region != req.Region || t.Account != req.Account()
		if shadow && in.IncludeShadowTrails != nil && !*in.IncludeShadowTrails {
			continue
		}
		if len(in.TrailNameList) == 0 || slices.Contains(in.TrailNameList, t.arn()) || !shadow && slices.Contains(in.TrailNameList, t.Name) {
			out.TrailList = append(out.TrailList, *t.described())
		}
	}
	return out, nil
}

// trailPage is how many trails ListTrails answers at once.
const trailPage = 100

// listTrails answers the trails of all regions.
func (s *Service) listTrails(ctx context.Context, in *api.ListTrailsRequest) (*api.ListTrailsResponse, error) {
	out := &api.ListTrailsResponse{Trails: []api.TrailInfo{}}
	account := aws.RequestOf(ctx).Account()
	var after struct{ Region, Name string }
	if in.NextToken != nil && !aws.ParseToken(*in.NextToken, &after) {
		return nil, api.InvalidTokenException("Invalid token.")
	}
	err := s.Store.View(ctx, func(r store.Reader) error {
		out.Trails, out.NextToken = out.Trails[:0], nil
		o := store.ListOptions{Limit: trailPage + 1}
		if after.Region != "" {
			o.After = []any{after.Region, after.Name}
		}
		for e, err := range trails.List(ctx, r, store.Scope{Account: account}, o) {
			if err != nil {
				return err
			}
			if len(out.Trails) == trailPage {
				last := out.Trails[trailPage-1]
				out.NextToken = new(aws.Token(struct{ Region, Name string }{*last.HomeRegion, *last.Name}))
				return nil
			}
			t := e.Record
			out.Trails = append(out.Trails, api.TrailInfo{HomeRegion: &t.Region, Name: &t.Name, TrailARN: new(t.arn())})
		}
		return nil
	})
	return out, err
}
