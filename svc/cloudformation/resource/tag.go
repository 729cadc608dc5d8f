package resource

import (
	"maps"
	"reflect"
	"slices"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// Tags are those that the resource is to have: its stack's, its own, and CloudFormation's.
func (c *Call) Tags() map[string]string { return c.tags(c.Stack.Tags, c.Properties) }

// oldTags are those that it had before an update.
func (c *Call) oldTags() map[string]string { return c.tags(c.Stack.OldTags, c.Old) }

func (c *Call) tags(stack map[string]string, p *ordered.Object) map[string]string {
	s := c.Type.Schema()
	out := maps.Clone(stack)
	if out == nil {
		out = map[string]string{}
	}
	switch own := p.Get(s.Tags).(type) {
	case []any:
		for _, item := range own {
			if o, ok := item.(*ordered.Object); ok {
				out[template.Text(o.Get("Key"))] = template.Text(o.Get("Value"))
			}
		}
	case *ordered.Object:
		for _, name := range own.Names() {
			out[name] = template.Text(own.Get(name))
		}
	}
	return out
}

// setTags writes tags into a member of an operation's input: a map, or a list of
// structures of a key and a value.
func setTags(v reflect.Value, tags map[string]string) bool {
	if len(tags) == 0 {
		return v.Kind() == reflect.Map || v.Kind() == reflect.Slice
	}
	switch {
	case v.Type() == reflect.TypeFor[map[string]string]():
		v.Set(reflect.ValueOf(tags))
		return true
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem().NumField() >= 2:
		list := reflect.MakeSlice(v.Type(), 0, len(tags))
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			e := reflect.New(v.Type().Elem()).Elem()
			k, okKey := first(e, "Key", "TagKey")
			x, okValue := first(e, "Value", "TagValue")
			if !okKey || !okValue {
				return false
			}
			k.Set(reflect.ValueOf(&key))
			x.Set(reflect.ValueOf(new(tags[key])))
			list = reflect.Append(list, e)
		}
		v.Set(list)
		return true
	}
	return false
}

func first(v reflect.Value, names ...string) (reflect.Value, bool) {
	for _, name := range names {
		if f := v.FieldByName(name); f.IsValid() {
			return f, true
		}
	}
	return reflect.Value{}, false
}

// Retag brings a resource's tags from what they were to what they are to be, by the two
// operations of its service for that. set says in their inputs which resource is meant;
// the rest is filled: a member for tags, and one that is a list of keys.
func Retag[A, AOut, B, BOut any](c *Call, tag *aws.Op[A, AOut], untag *aws.Op[B, BOut], onTag func(*A), onUntag func(*B)) error {
	s := c.Type.Schema()
	c.Take(s.Tags)
	old, now := c.oldTags(), c.Tags()
	var less []string
	for key := range old {
		if _, ok := now[key]; !ok {
			less = append(less, key)
		}
	}
	slices.Sort(less)
	if len(less) > 0 {
		in := new(B)
		onUntag(in)
		v := reflect.ValueOf(in).Elem()
		for i := range v.NumField() {
			if v.Field(i).Type() == reflect.TypeFor[[]string]() && v.Field(i).CanSet() {
				v.Field(i).Set(reflect.ValueOf(less))
			}
		}
		if _, err := untag.Do(c, c.Peers, in); err != nil {
			return err
		}
	}
	maps.DeleteFunc(now, func(key, value string) bool { have, ok := old[key]; return ok && have == value })
	if len(now) == 0 {
		return nil
	}
	in := new(A)
	onTag(in)
	if f, ok := field(reflect.ValueOf(in).Elem(), "Tags"); ok {
		setTags(f, now)
	}
	_, err := tag.Do(c, c.Peers, in)
	return err
}

// SetTags writes tags into a list of structures of a key and a value, or a map, to which
// to points.
func SetTags(to any, tags map[string]string) { setTags(reflect.ValueOf(to).Elem(), tags) }
