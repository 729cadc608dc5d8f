package resource

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tule-cloud/tule/ordered"
)

// Show is what members of an operation's output hold, by CloudFormation's names: those
// that are named, however their letters are written, and set.
func Show(out any, names ...string) map[string]any {
	got := map[string]any{}
	v := reflect.ValueOf(out).Elem()
	for _, name := range names {
		if f, ok := field(v, name); ok {
			if tree := tree(f); tree != nil {
				got[name] = tree
			}
		}
	}
	return got
}

// tree is a Go value as a tree; nil for what is not set.
func tree(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339)
	case []byte:
		if x == nil {
			return nil
		}
		return string(x)
	case json.Marshaler:
		if v.Kind() != reflect.Pointer {
			if text, err := x.MarshalJSON(); err == nil {
				if t, err := ordered.Parse(text); err == nil {
					return t
				}
			}
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return tree(v.Elem())
	case reflect.Struct:
		o := ordered.New()
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if t := tree(v.Field(i)); t != nil {
				o.Set(strings.ToUpper(f.Name[:1])+f.Name[1:], t)
			}
		}
		return o
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		o := ordered.New()
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			o.Set(key.String(), tree(v.MapIndex(key)))
		}
		return o
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		list := []any{}
		for i := range v.Len() {
			list = append(list, tree(v.Index(i)))
		}
		return list
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32, reflect.Int64:
		return int(v.Int())
	case reflect.Float32, reflect.Float64:
		text, _ := json.Marshal(v.Float())
		return json.Number(text)
	}
	return nil
}
