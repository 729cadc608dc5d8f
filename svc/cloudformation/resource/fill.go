package resource

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// Do calls an operation. Its input is filled from the properties of the same names, from
// the resource's tags and its idempotency token where it has members for them, and then
// by more, in order. What was filled in is seen to.
func Do[In, Out any](c *Call, op *aws.Op[In, Out], more ...func(in *In)) (*Out, error) {
	in := new(In)
	if err := Fill(c, in); err != nil {
		return nil, err
	}
	for _, f := range more {
		f(in)
	}
	return op.Do(c, c.Peers, in)
}

// Change is Do for updates: members of properties that were taken away are sent empty.
func Change[In, Out any](c *Call, op *aws.Op[In, Out], more ...func(in *In)) (*Out, error) {
	empty := func(in *In) {
		for _, name := range c.Old.Names() {
			f, ok := field(reflect.ValueOf(in).Elem(), name)
			if !ok || c.Properties.Has(name) || name == c.Type.Schema().Tags {
				continue
			}
			c.Take(name)
			switch {
			case f.Kind() == reflect.Slice:
				f.Set(reflect.MakeSlice(f.Type(), 0, 0))
			case f.Kind() == reflect.Pointer && (f.Type().Elem().Kind() == reflect.Struct || f.Type().Elem().Kind() == reflect.String):
				f.Set(reflect.New(f.Type().Elem()))
			}
		}
	}
	return Do(c, op, append([]func(in *In){empty}, more...)...)
}

// Fill sets the members of an operation's input that have a property's name, however the
// letters are written, and those for tags and the idempotency token.
func Fill(c *Call, in any) error {
	v := reflect.ValueOf(in).Elem()
	tags := c.Type.Schema().Tags
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		tag, options, _ := strings.Cut(f.Tag.Get("aws"), ",")
		if strings.EqualFold(f.Name, "Tags") && tags != "" {
			if setTags(v.Field(i), c.Tags()) {
				c.Take(tags)
			}
			continue
		}
		if strings.Contains(","+options+",", ",token,") && f.Type == reflect.TypeFor[*string]() {
			v.Field(i).Set(reflect.ValueOf(&c.Token))
			continue
		}
		for _, name := range c.Properties.Names() {
			if strings.EqualFold(name, tag) || strings.EqualFold(name, f.Name) {
				if err := FillValue(v.Field(i), c.Properties.Get(name), name); err != nil {
					return err
				}
				c.Take(name)
			}
		}
	}
	return nil
}

// Into fills a value from a property, such as a structure within an operation's input.
// Without the property the value stays as it is.
func Into(c *Call, property string, to any) error {
	v := c.Get(property)
	if v == nil {
		return nil
	}
	return FillValue(reflect.ValueOf(to).Elem(), v, property)
}

// FillValue fills v, which can be set, from a tree. Names match however the letters are
// written; a text stands for a number or a boolean, and any value, as JSON, for a text.
func FillValue(v reflect.Value, tree any, name string) error {
	if tree == nil {
		return nil
	}
	switch v.Interface().(type) {
	case time.Time:
		t, err := time.Parse(time.RFC3339, template.Text(tree))
		if err != nil {
			return invalid("Value of property %s must be of type Timestamp", name)
		}
		v.Set(reflect.ValueOf(t))
		return nil
	case []byte:
		text := template.Text(tree)
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			v.SetBytes(raw)
		} else {
			v.SetBytes([]byte(text))
		}
		return nil
	}
	if v.Kind() != reflect.Pointer && v.CanAddr() {
		if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
			return u.UnmarshalJSON(ordered.Compact(tree))
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return FillValue(v.Elem(), tree, name)
	case reflect.Struct:
		return fillStruct(v, tree, name)
	case reflect.Map:
		return fillMap(v, tree, name)
	case reflect.Slice:
		list, ok := tree.([]any)
		if !ok {
			return invalid("Value of property %s must be of type List", name)
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i := range list {
			if err := FillValue(v.Index(i), list[i], name); err != nil {
				return err
			}
		}
		return nil
	case reflect.Interface:
		v.Set(reflect.ValueOf(tree))
		return nil
	}
	return fillScalar(v, tree, name)
}

func fillStruct(v reflect.Value, tree any, name string) error {
	o, ok := tree.(*ordered.Object)
	if !ok {
		return invalid("Value of property %s must be an object", name)
	}
	for _, member := range o.Names() {
		f, ok := field(v, member)
		if !ok {
			return invalid("Encountered unsupported property %s", member)
		}
		if err := FillValue(f, o.Get(member), member); err != nil {
			return err
		}
	}
	return nil
}

// field is the member of a structure that has a name, however the letters are written.
func field(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("aws"), ",")
		if f.IsExported() && (strings.EqualFold(tag, name) || strings.EqualFold(f.Name, name)) {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func fillMap(v reflect.Value, tree any, name string) error {
	o, ok := tree.(*ordered.Object)
	if !ok || v.Type().Key().Kind() != reflect.String {
		return invalid("Value of property %s must be an object", name)
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, member := range o.Names() {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := FillValue(e, o.Get(member), member); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(member).Convert(v.Type().Key()), e)
	}
	return nil
}

func fillScalar(v reflect.Value, tree any, name string) error {
	text := Texted(tree)
	switch {
	case v.Kind() == reflect.String:
		v.SetString(text)
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return invalid("Value of property %s must be of type Boolean", name)
		}
		v.SetBool(b)
	case v.CanInt():
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || n != float64(int64(n)) || v.OverflowInt(int64(n)) {
			return invalid("Value of property %s must be of type Integer", name)
		}
		v.SetInt(int64(n))
	case v.CanFloat():
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return invalid("Value of property %s must be of type Double", name)
		}
		v.SetFloat(n)
	default:
		return invalid("Encountered unsupported property %s", name)
	}
	return nil
}

// Texted is a value as text: an object or a list as JSON.
func Texted(tree any) string {
	switch tree.(type) {
	case *ordered.Object, []any:
		return string(ordered.Compact(tree))
	}
	return template.Text(tree)
}

// Texts are the given ones of the properties, as text: what services keep as attributes.
func (c *Call) Texts(names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if v := c.Get(name); v != nil {
			out[name] = Texted(v)
		}
	}
	return out
}

// FillFrom fills what to points to from a tree.
func FillFrom(to any, tree any, name string) error {
	return FillValue(reflect.ValueOf(to).Elem(), tree, name)
}

// without is the call as it is but for one property, for Do.
func (c *Call) without(name string) *Call {
	less := *c
	less.taken = nil
	less.Properties = ordered.New()
	less.Properties.Merge(c.Properties)
	less.Properties.Delete(name)
	return &less
}
