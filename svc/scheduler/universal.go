package scheduler

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/tule-cloud/tule/aws"
)

// universal takes the ARN of a universal target apart:
// arn:aws:scheduler:::aws-sdk:service:apiAction.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
func universal(a aws.ARN) (service, action string, ok bool) {
	rest, ok := strings.CutPrefix(a.Resource, "aws-sdk:")
	service, action, found := strings.Cut(rest, ":")
	if !ok || !found || service == "" || action == "" || a.Region != "" || a.Account != "" {
		return "", "", false
	}
	// AWS takes no actions that only read.
	for _, prefix := range []string{"get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover", "validate", "batchGet", "batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration", "retrieve", "testConnection", "translateDocument", "isAuthorized", "invokeModel"} {
		next := strings.TrimPrefix(action, prefix)
		if next != action && (next == "" || unicode.IsUpper(rune(next[0]))) {
			return "", "", false
		}
	}
	return service, action, true
}

// callAny calls the operation that a universal target names.
func (s *Service) callAny(ctx context.Context, a aws.ARN, input string) error {
	service, action, ok := universal(a)
	if !ok {
		return aws.Errorf(400, "ValidationException", "%s is no universal target.", a)
	}
	op, in, ok := s.Operation(service, action)
	if !ok {
		return aws.Errorf(501, "NotImplemented", "The operation %s of %s is not available in this version of Tule.", action, service)
	}
	var tree map[string]any
	dec := json.NewDecoder(strings.NewReader(input))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return aws.Errorf(400, "SerializationException", "The input is no JSON object: %v", err)
	}
	if err := fill(reflect.ValueOf(in).Elem(), tree, ""); err != nil {
		return aws.Errorf(400, "SerializationException", "%v", err)
	}
	_, err := s.Peers.Call(ctx, op, in)
	return err
}

var errForm = errors.New("is of another type in the input")

// fill puts JSON into a generated structure. Members are named as AWS's SDK for Java and
// so its guide to universal targets have them: the model's names, the first letter in
// upper case or in lower.
func fill(v reflect.Value, tree any, path string) error {
	if tree == nil {
		return nil
	}
	switch v.Interface().(type) {
	case time.Time:
		return fillTime(v, tree, path)
	case []byte:
		text, ok := tree.(string)
		if !ok {
			return fmt.Errorf("%s %w", path, errForm)
		}
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			v.SetBytes(raw)
		} else {
			v.SetBytes([]byte(text))
		}
		return nil
	}
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		text, err := json.Marshal(tree)
		if err != nil {
			return err
		}
		return u.UnmarshalJSON(text)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), tree, path)
	case reflect.Struct:
		return fillStruct(v, tree, path)
	case reflect.Map:
		return fillMap(v, tree, path)
	case reflect.Slice:
		list, ok := tree.([]any)
		if !ok {
			return fmt.Errorf("%s %w", path, errForm)
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i := range list {
			if err := fill(v.Index(i), list[i], path); err != nil {
				return err
			}
		}
		return nil
	}
	return fillScalar(v, tree, path)
}

func fillStruct(v reflect.Value, tree any, path string) error {
	members, ok := tree.(map[string]any)
	if !ok {
		return fmt.Errorf("%s %w", path, errForm)
	}
	for name, value := range members {
		f := reflect.Value{}
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("aws"), ",")
			if v.Type().Field(i).IsExported() && (strings.EqualFold(tag, name) || strings.EqualFold(v.Type().Field(i).Name, name)) {
				f = v.Field(i)
			}
		}
		if !f.IsValid() {
			return fmt.Errorf("%s has no member %s", v.Type().Name(), name)
		}
		if err := fill(f, value, name); err != nil {
			return err
		}
	}
	return nil
}

func fillMap(v reflect.Value, tree any, path string) error {
	members, ok := tree.(map[string]any)
	if !ok || v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("%s %w", path, errForm)
	}
	v.Set(reflect.MakeMap(v.Type()))
	for name, value := range members {
		e := reflect.New(v.Type().Elem()).Elem()
		if err := fill(e, value, path+"."+name); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), e)
	}
	return nil
}

func fillTime(v reflect.Value, tree any, path string) error {
	switch x := tree.(type) {
	case string:
		if t, err := time.Parse(time.RFC3339, x); err == nil {
			v.Set(reflect.ValueOf(t))
			return nil
		}
	case json.Number:
		if n, err := x.Float64(); err == nil {
			v.Set(reflect.ValueOf(time.UnixMilli(int64(n * 1000)).UTC()))
			return nil
		}
	}
	return fmt.Errorf("%s %w", path, errForm)
}

func fillScalar(v reflect.Value, tree any, path string) error {
	switch x := tree.(type) {
	case string:
		if v.Kind() == reflect.String {
			v.SetString(x)
			return nil
		}
	case bool:
		if v.Kind() == reflect.Bool {
			v.SetBool(x)
			return nil
		}
	case json.Number:
		if v.CanInt() {
			if n, err := x.Int64(); err == nil && !v.OverflowInt(n) {
				v.SetInt(n)
				return nil
			}
		}
		if v.CanFloat() {
			if n, err := x.Float64(); err == nil {
				v.SetFloat(n)
				return nil
			}
		}
	}
	return fmt.Errorf("%s %w", path, errForm)
}
