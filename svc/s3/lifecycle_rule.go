package s3

import (
	"context"
	"net/url"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// concerns reports whether a rule that is on is about an object.
func concerns(rule *api.LifecycleRule, key string, o *object) bool {
	if *rule.Status != "Enabled" || !strings.HasPrefix(key, rulePrefix(rule)) {
		return false
	}
	f := rule.Filter
	if f == nil {
		return true
	}
	greater, less, tags := f.ObjectSizeGreaterThan, f.ObjectSizeLessThan, []api.Tag(nil)
	if f.Tag != nil {
		tags = []api.Tag{*f.Tag}
	}
	if f.And != nil {
		greater, less, tags = f.And.ObjectSizeGreaterThan, f.And.ObjectSizeLessThan, f.And.Tags
	}
	if greater != nil && o.Size <= *greater || less != nil && o.Size >= *less {
		return false
	}
	for _, t := range tags {
		if v, ok := o.Tags[*t.Key]; !ok || v != *t.Value {
			return false
		}
	}
	return true
}

// after is when days from t are over: at the midnight that follows.
func after(t time.Time, days int32) time.Time {
	end := t.UTC().AddDate(0, 0, int(days))
	if day := end.Truncate(24 * time.Hour); !day.Equal(end) {
		return day.Add(24 * time.Hour)
	}
	return end
}

// expiry is when an object that is current expires, and by which rule; zero for never.
func (l *lifecycle) expiry(key string, o *object) (at time.Time, rule string) {
	for i := range l.Rules {
		e := l.Rules[i].Expiration
		if e == nil || e.Days == nil && e.Date == nil || !concerns(&l.Rules[i], key, o) {
			continue
		}
		due := aws.Value(e.Date)
		if e.Days != nil {
			due = after(o.Modified, *e.Days)
		}
		if at.IsZero() || due.Before(at) {
			at, rule = due, *l.Rules[i].ID
		}
	}
	return at, rule
}

// classes are ordered as objects move: never back.
var classes = []string{"", "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"}

func classRank(class string) int {
	for i, c := range classes {
		if c == class {
			return i
		}
	}
	return len(classes)
}

// smallest is the least size that moves by default.
const smallest = 128 << 10

// moves reports whether an object may move to a class for its size.
func (l *lifecycle) moves(rule *api.LifecycleRule, o *object, class string) bool {
	if classRank(class) <= classRank(o.Class) {
		return false
	}
	f := rule.Filter
	if f != nil && (f.ObjectSizeGreaterThan != nil || f.ObjectSizeLessThan != nil || f.And != nil && (f.And.ObjectSizeGreaterThan != nil || f.And.ObjectSizeLessThan != nil)) {
		return true // the rule says which sizes
	}
	if l.Minimum == api.TransitionDefaultMinimumObjectSizeVariesByStorageClass && (class == "GLACIER" || class == "DEEP_ARCHIVE") {
		return true
	}
	return o.Size >= smallest
}

// transition is the class to which a current object has to move by now, "" for none.
func (l *lifecycle) transition(key string, o *object, now time.Time) (to string) {
	for i := range l.Rules {
		rule := &l.Rules[i]
		if len(rule.Transitions) == 0 || !concerns(rule, key, o) {
			continue
		}
		for _, t := range rule.Transitions {
			due := aws.Value(t.Date)
			if t.Days != nil {
				due = after(o.Modified, *t.Days)
			}
			if !due.After(now) && l.moves(rule, o, *t.StorageClass) && classRank(*t.StorageClass) > classRank(to) {
				to = *t.StorageClass
			}
		}
	}
	return to
}

// outlived reports whether a version that has not been current since a time, and is
// followed by newer ones that were not current either, has to go, or whereto it moves.
func (l *lifecycle) outlived(key string, o *object, since time.Time, newer int, now time.Time) (gone bool, to string) {
	for i := range l.Rules {
		rule := &l.Rules[i]
		if rule.NoncurrentVersionExpiration == nil && len(rule.NoncurrentVersionTransitions) == 0 || !concerns(rule, key, o) {
			continue
		}
		if e := rule.NoncurrentVersionExpiration; e != nil && newer >= int(aws.Value(e.NewerNoncurrentVersions)) && !after(since, *e.NoncurrentDays).After(now) {
			return true, ""
		}
		for _, t := range rule.NoncurrentVersionTransitions {
			if newer >= int(aws.Value(t.NewerNoncurrentVersions)) && !after(since, *t.NoncurrentDays).After(now) && !o.Marker &&
				l.moves(rule, o, *t.StorageClass) && classRank(*t.StorageClass) > classRank(to) {
				to = *t.StorageClass
			}
		}
	}
	return false, to
}

// lonely reports whether a delete marker with nothing behind it has to go.
func (l *lifecycle) lonely(key string, m *object, now time.Time) bool {
	for i := range l.Rules {
		rule := &l.Rules[i]
		e := rule.Expiration
		if e == nil || *rule.Status != "Enabled" || !strings.HasPrefix(key, rulePrefix(rule)) {
			continue
		}
		if aws.Value(e.ExpiredObjectDeleteMarker) || e.Days != nil && concerns(rule, key, m) && !after(m.Modified, *e.Days).After(now) {
			return true
		}
	}
	return false
}

// stale reports whether an upload that nobody completed has to go.
func (l *lifecycle) stale(key string, started, now time.Time) bool {
	for i := range l.Rules {
		rule := &l.Rules[i]
		a := rule.AbortIncompleteMultipartUpload
		if a != nil && *rule.Status == "Enabled" && strings.HasPrefix(key, rulePrefix(rule)) && !after(started, *a.DaysAfterInitiation).After(now) {
			return true
		}
	}
	return false
}

// expiration is the x-amz-expiration of an object; nil if it stays.
func (s *Service) expiration(ctx context.Context, r store.Reader, b *bucket, key string, o *object) (*string, error) {
	l, err := setting[lifecycle](ctx, r, b, lifecycleSetting)
	if err != nil || l == nil {
		return nil, err
	}
	at, rule := l.expiry(key, o)
	if at.IsZero() {
		return nil, nil
	}
	text := `expiry-date="` + at.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + `", rule-id="` + url.PathEscape(rule) + `"`
	return &text, nil
}
