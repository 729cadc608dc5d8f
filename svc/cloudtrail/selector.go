package cloudtrail

import (
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
)

// selects reports whether an event is one that the trail keeps. Without selectors those
// are all management events.
func (t *trail) selects(v *event) bool {
	if !t.Logging || !t.Multi && t.Region != v.AWSRegion || v.global && !t.Global {
		return false
	}
	if t.Advanced != nil {
		return slices.ContainsFunc(t.Advanced, func(a api.AdvancedEventSelector) bool { return advancedSelects(&a, v) })
	}
	if t.Selectors == nil {
		return v.ManagementEvent
	}
	return slices.ContainsFunc(t.Selectors, func(sel api.EventSelector) bool { return basicSelects(&sel, v) })
}

// wantsData reports whether any data event might be one that the trail keeps.
func (t *trail) wantsData() bool {
	if !t.Logging {
		return false
	}
	basic := slices.ContainsFunc(t.Selectors, func(sel api.EventSelector) bool { return len(sel.DataResources) > 0 })
	return basic || slices.ContainsFunc(t.Advanced, func(a api.AdvancedEventSelector) bool {
		category := field(&a, "eventCategory")
		return category == nil || slices.Contains(category.Equals, "Data")
	})
}

func basicSelects(sel *api.EventSelector, v *event) bool {
	switch aws.Value(sel.ReadWriteType) {
	case "ReadOnly":
		if !v.ReadOnly {
			return false
		}
	case "WriteOnly":
		if v.ReadOnly {
			return false
		}
	}
	if v.ManagementEvent {
		return (sel.IncludeManagementEvents == nil || *sel.IncludeManagementEvents) && !slices.Contains(sel.ExcludeManagementEventSources, v.EventSource)
	}
	for _, d := range sel.DataResources {
		for _, r := range v.Resources {
			if r.Type == aws.Value(d.Type) && slices.ContainsFunc(d.Values, func(value string) bool { return within(r.ARN, value) }) {
				return true
			}
		}
	}
	return false
}

// within reports whether a resource is what a value of a basic selector names: itself, an
// object below a bucket or a prefix, or one of all ("arn:aws:lambda").
func within(arn, value string) bool {
	if arn == value {
		return true
	}
	rest, ok := strings.CutPrefix(arn, value)
	if !ok {
		return false
	}
	return strings.Count(value, ":") == 2 || strings.HasPrefix(value, "arn:aws:s3:::") || rest[0] == ':' || rest[0] == '/'
}

func advancedSelects(a *api.AdvancedEventSelector, v *event) bool {
	for i := range a.FieldSelectors {
		f := &a.FieldSelectors[i]
		if !slices.ContainsFunc(valuesOf(v, *f.Field), func(value string) bool { return fieldSelects(f, value) }) {
			return false
		}
	}
	return true
}

// valuesOf are what an event has at a field of advanced selectors.
func valuesOf(v *event, field string) []string {
	switch field {
	case "eventCategory":
		return []string{v.EventCategory}
	case "readOnly":
		return []string{strconv.FormatBool(v.ReadOnly)}
	case "eventSource":
		return []string{v.EventSource}
	case "eventName":
		return []string{v.EventName}
	case "eventType":
		return []string{v.EventType}
	case "errorCode":
		return []string{v.ErrorCode}
	case "sessionCredentialFromConsole":
		return []string{"false"}
	case "userIdentity.arn":
		if v.UserIdentity == nil {
			return []string{""}
		}
		return []string{v.UserIdentity.ARN}
	}
	values := []string{}
	for _, r := range v.Resources {
		switch field {
		case "resources.type":
			values = append(values, r.Type)
		case "resources.ARN":
			values = append(values, r.ARN)
		}
	}
	return values
}

// fieldSelects reports whether a value passes each operator of a field, and of each any
// of its values; of the negative ones none.
func fieldSelects(f *api.AdvancedFieldSelector, value string) bool {
	equal := func(x string) bool { return x == value }
	begins := func(x string) bool { return strings.HasPrefix(value, x) }
	ends := func(x string) bool { return strings.HasSuffix(value, x) }
	return (f.Equals == nil || slices.ContainsFunc(f.Equals, equal)) && !slices.ContainsFunc(f.NotEquals, equal) &&
		(f.StartsWith == nil || slices.ContainsFunc(f.StartsWith, begins)) && !slices.ContainsFunc(f.NotStartsWith, begins) &&
		(f.EndsWith == nil || slices.ContainsFunc(f.EndsWith, ends)) && !slices.ContainsFunc(f.NotEndsWith, ends)
}

// field is what an advanced selector says of a field; nil for nothing.
func field(a *api.AdvancedEventSelector, name string) *api.AdvancedFieldSelector {
	for i := range a.FieldSelectors {
		if *a.FieldSelectors[i].Field == name {
			return &a.FieldSelectors[i]
		}
	}
	return nil
}
