package cloudwatch

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudwatch"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A muteRule keeps alarms from acting at times.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-mute-rules.html
type muteRule struct {
	Config  api.PutAlarmMuteRuleInput
	Updated time.Time
}

// longestMute is how long a rule mutes at once at most.
const longestMute = 15 * 24 * time.Hour

var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$`)

// muteDuration reads how long a rule mutes: "PT4H", "P1DT30M".
func muteDuration(text string) (time.Duration, bool) {
	m := isoDuration.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		n, err := strconv.Atoi("0" + m[i+1])
		if err != nil || n > 100_000 {
			return 0, false
		}
		d += time.Duration(n) * unit
	}
	return d, d >= time.Minute && d <= longestMute
}

// A muteSchedule is when a rule begins to mute.
type muteSchedule struct {
	once   time.Time // "at(…)"
	fields [5]map[int]bool
	days   bool // both days of months and of weeks are given: either will do
	zone   *time.Location
}

func parseMute(s *api.Schedule) (*muteSchedule, error) {
	out := &muteSchedule{zone: time.UTC}
	if s.Timezone != nil {
		zone, err := time.LoadLocation(*s.Timezone)
		if err != nil || *s.Timezone == "Local" {
			return nil, validation("The timezone %s is not known.", *s.Timezone)
		}
		out.zone = zone
	}
	text, kind := *s.Expression, ""
	if at := strings.IndexByte(text, '('); at > 0 && strings.HasSuffix(text, ")") {
		kind, text = text[:at], text[at+1:len(text)-1]
	}
	switch kind {
	case "at":
		for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
			if t, err := time.ParseInLocation(layout, text, out.zone); err == nil {
				out.once = t
				return out, nil
			}
		}
	case "cron":
		if out.cron(strings.Fields(text)) {
			return out, nil
		}
	}
	return nil, validation("The schedule expression %s is not valid.", *s.Expression)
}

// cronRanges are what the fields of a cron expression go from and to: minutes, hours,
// days, months, weekdays with Sunday as 0 and as 7.
var cronRanges = [5][2]int{{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}

func (m *muteSchedule) cron(fields []string) bool {
	if len(fields) != 5 {
		return false
	}
	for i, f := range fields {
		set, ok := cronField(strings.ToUpper(f), i)
		if !ok {
			return false
		}
		m.fields[i] = set
	}
	m.days = m.fields[2] != nil && m.fields[4] != nil
	return true
}

var cronNames = map[string]int{"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6,
	"JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6, "JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11, "DEC": 12}

// cronField reads one field; nil stands for all values.
func cronField(text string, which int) (map[int]bool, bool) {
	if text == "*" || text == "?" {
		return nil, true
	}
	out := map[int]bool{}
	for part := range strings.SplitSeq(text, ",") {
		span, every, stepped := strings.Cut(part, "/")
		step, err := 1, error(nil)
		if stepped {
			if step, err = strconv.Atoi(every); err != nil || step < 1 {
				return nil, false
			}
		}
		low, high := cronRanges[which][0], cronRanges[which][1]
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			var ok1, ok2 bool
			if low, ok1 = cronNumber(first); !ok1 {
				return nil, false
			}
			if ranged {
				if high, ok2 = cronNumber(last); !ok2 {
					return nil, false
				}
			} else if !stepped {
				high = low
			}
		}
		if low < cronRanges[which][0] || high > cronRanges[which][1] || low > high {
			return nil, false
		}
		for n := low; n <= high; n += step {
			if which == 4 {
				out[n%7] = true
			} else {
				out[n] = true
			}
		}
	}
	return out, true
}

func cronNumber(s string) (int, bool) {
	if n, ok := cronNames[s]; ok {
		return n, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0
}

// begins reports whether the rule begins to mute in the minute of t.
func (m *muteSchedule) begins(t time.Time) bool {
	if !m.once.IsZero() {
		return t.Truncate(time.Minute).Equal(m.once.Truncate(time.Minute))
	}
	t = t.In(m.zone)
	in := func(i, v int) bool { return m.fields[i] == nil || m.fields[i][v] }
	day, week := in(2, t.Day()), in(4, int(t.Weekday()))
	return in(0, t.Minute()) && in(1, t.Hour()) && in(3, int(t.Month())) && (day && week || m.days && (day || week))
}

// active reports whether a rule mutes at a time.
func (r *muteRule) active(now time.Time) bool {
	c := &r.Config
	if c.StartDate != nil && now.Before(*c.StartDate) || r.expired(now) {
		return false
	}
	schedule, err := parseMute(c.Rule.Schedule)
	d, ok := muteDuration(*c.Rule.Schedule.Duration)
	if err != nil || !ok {
		return false
	}
	for t := now.Truncate(time.Minute); now.Sub(t) < d; t = t.Add(-time.Minute) {
		if schedule.begins(t) {
			return c.StartDate == nil || !t.Before(c.StartDate.Truncate(time.Minute))
		}
	}
	return false
}

func (r *muteRule) expired(now time.Time) bool {
	if r.Config.ExpireDate != nil && !now.Before(*r.Config.ExpireDate) {
		return true
	}
	schedule, err := parseMute(r.Config.Rule.Schedule)
	d, _ := muteDuration(*r.Config.Rule.Schedule.Duration)
	return err == nil && !schedule.once.IsZero() && !now.Before(schedule.once.Add(d))
}

func (r *muteRule) status(now time.Time) string {
	switch {
	case r.expired(now):
		return api.AlarmMuteRuleStatusExpired
	case r.active(now):
		return api.AlarmMuteRuleStatusActive
	}
	return api.AlarmMuteRuleStatusScheduled
}

// kind is "ONE_TIME" or "RECURRING".
func (r *muteRule) kind() string {
	if strings.HasPrefix(*r.Config.Rule.Schedule.Expression, "at(") {
		return "ONE_TIME"
	}
	return "RECURRING"
}

// muted is the rule that keeps an alarm from acting now; "" is none.
func (s *Service) muted(ctx context.Context, r store.Reader, scope store.Scope, name string) (string, error) {
	now := s.Clock.Now()
	for e, err := range muteRules.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return "", err
		}
		if m := &e.Record; m.Config.MuteTargets != nil && slices.Contains(m.Config.MuteTargets.AlarmNames, name) && m.active(now) {
			return e.Key.String(0), nil
		}
	}
	return "", nil
}

func muteARN(scope store.Scope, name string) string {
	return aws.NewARN("cloudwatch", scope.Region, scope.Account, "alarm-mute-rule:"+name).String()
}

func (s *Service) putAlarmMuteRule(ctx context.Context, in *api.PutAlarmMuteRuleInput) (*aws.Empty, error) {
	if _, err := parseMute(in.Rule.Schedule); err != nil {
		return nil, err
	}
	if _, ok := muteDuration(*in.Rule.Schedule.Duration); !ok {
		return nil, validation("The duration %s is not valid: it must be from PT1M to P15D.", *in.Rule.Schedule.Duration)
	}
	if in.StartDate != nil && in.ExpireDate != nil && !in.StartDate.Before(*in.ExpireDate) {
		return nil, validation("StartDate must be before ExpireDate.")
	}
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		had, err := muteRules.Has(ctx, tx, scope, *in.Name)
		if err == nil && !had {
			err = putTags(ctx, tx, scope, "alarm-mute-rule:"+*in.Name, in.Tags)
		}
		r := muteRule{*in, s.Clock.Now()}
		r.Config.Tags = nil
		return errors.Join(err, muteRules.Put(tx, scope, r, *in.Name))
	})
}

func (s *Service) getAlarmMuteRule(ctx context.Context, in *api.GetAlarmMuteRuleInput) (*api.GetAlarmMuteRuleOutput, error) {
	var r muteRule
	scope := scopeOf(ctx)
	err := s.Store.View(ctx, func(tx store.Reader) (err error) {
		r, err = muteRules.Get(ctx, tx, scope, *in.AlarmMuteRuleName)
		if errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("The alarm mute rule %s does not exist.", *in.AlarmMuteRuleName)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c := &r.Config
	return &api.GetAlarmMuteRuleOutput{AlarmMuteRuleArn: new(muteARN(scope, *c.Name)), Name: c.Name, Description: c.Description, Rule: c.Rule, MuteTargets: c.MuteTargets,
		StartDate: c.StartDate, ExpireDate: c.ExpireDate, LastUpdatedTimestamp: &r.Updated, MuteType: new(r.kind()), Status: new(r.status(s.Clock.Now()))}, nil
}

func (s *Service) deleteAlarmMuteRule(ctx context.Context, in *api.DeleteAlarmMuteRuleInput) (*aws.Empty, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		return errors.Join(muteRules.Delete(tx, scopeOf(ctx), *in.AlarmMuteRuleName), dropTags(tx, scopeOf(ctx), "alarm-mute-rule:"+*in.AlarmMuteRuleName))
	})
}

func (s *Service) listAlarmMuteRules(ctx context.Context, in *api.ListAlarmMuteRulesInput) (*api.ListAlarmMuteRulesOutput, error) {
	out := &api.ListAlarmMuteRulesOutput{AlarmMuteRuleSummaries: []api.AlarmMuteRuleSummary{}}
	scope, now := scopeOf(ctx), s.Clock.Now()
	next, err := listPage(ctx, s, muteRules, in.NextToken, pageOf(in.MaxRecords, 100), func(name string, r muteRule) bool {
		status := r.status(now)
		if len(in.Statuses) > 0 && !slices.Contains(in.Statuses, status) ||
			in.AlarmName != nil && (r.Config.MuteTargets == nil || !slices.Contains(r.Config.MuteTargets.AlarmNames, *in.AlarmName)) {
			return false
		}
		out.AlarmMuteRuleSummaries = append(out.AlarmMuteRuleSummaries, api.AlarmMuteRuleSummary{AlarmMuteRuleArn: new(muteARN(scope, name)),
			ExpireDate: r.Config.ExpireDate, LastUpdatedTimestamp: &r.Updated, MuteType: new(r.kind()), Status: &status})
		return true
	})
	out.NextToken = next
	return out, err
}
