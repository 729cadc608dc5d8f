package script

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	timeType   = reflect.TypeFor[time.Time]()
	readerType = reflect.TypeFor[io.Reader]()
)

// read fills a generated structure from JSON that names its Go fields. Bytes are
// text, or base64 behind "base64:".
func read(text string, in any) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return err
	}
	return fill(reflect.ValueOf(in).Elem(), tree)
}

func fill(v reflect.Value, tree any) error {
	if tree == nil {
		return nil
	}
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(json.Unmarshaler); ok && v.Type() != timeType {
			b, err := json.Marshal(tree)
			if err != nil {
				return err
			}
			return u.UnmarshalJSON(b)
		}
	}
	switch {
	case v.Type() == timeType:
		t, err := time.Parse(time.RFC3339Nano, fmt.Sprint(tree))
		v.Set(reflect.ValueOf(t))
		return err
	case v.Type() == readerType:
		v.Set(reflect.ValueOf(bytes.NewReader(raw(fmt.Sprint(tree)))))
		return nil
	}
	switch x := tree.(type) {
	case string:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(raw(x))
			return nil
		}
	case map[string]any:
		if v.Kind() == reflect.Struct || v.Kind() == reflect.Map {
			return fillObject(v, x)
		}
	case []any:
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), len(x), len(x)))
			for i := range x {
				if err := fill(v.Index(i), x[i]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return fill(v.Elem(), tree)
	}
	return fillScalar(v, tree)
}

func fillObject(v reflect.Value, x map[string]any) error {
	if v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for k, sub := range x {
		if v.Kind() == reflect.Map {
			e := reflect.New(v.Type().Elem()).Elem()
			if err := fill(e, sub); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(k), e)
			continue
		}
		f := v.FieldByName(strings.ToUpper(k[:1]) + k[1:])
		if !f.IsValid() {
			return fmt.Errorf("%s has no member %s", v.Type().Name(), k)
		}
		if err := fill(f, sub); err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	return nil
}

func fillScalar(v reflect.Value, tree any) error {
	text := fmt.Sprint(tree)
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		v.SetInt(n)
		return err
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		v.SetFloat(f)
		return err
	case reflect.Interface:
		v.Set(reflect.ValueOf(tree))
	default:
		return fmt.Errorf("%T does not fit %s", tree, v.Type())
	}
	return nil
}

func raw(text string) []byte {
	if b64, ok := strings.CutPrefix(text, "base64:"); ok {
		if b, err := base64.StdEncoding.DecodeString(b64); err == nil {
			return b
		}
	}
	return []byte(text)
}

// show is a structure as a tree of JSON values, what is absent left out. Streams
// are read to their end.
func show(x any) (any, error) { return showValue(reflect.ValueOf(x)) }

func showValue(v reflect.Value) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano), nil
	case []byte:
		return showBytes(x), nil
	case json.Marshaler:
		if v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, nil
		}
		b, err := x.MarshalJSON()
		if err != nil {
			return nil, err
		}
		var tree any
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		return tree, dec.Decode(&tree)
	case io.Reader:
		b, err := io.ReadAll(x)
		return showBytes(b), err
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return showValue(v.Elem())
	case reflect.Struct:
		return showStruct(v)
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			e, err := showValue(v.Index(i))
			if err != nil {
				return nil, err
			}
			out[i] = e
		}
		return out, nil
	case reflect.Map:
		out := map[string]any{}
		for it := v.MapRange(); it.Next(); {
			e, err := showValue(it.Value())
			if err != nil {
				return nil, err
			}
			out[it.Key().String()] = e
		}
		return out, nil
	case reflect.Func:
		return showEvents(v)
	}
	return v.Interface(), nil
}

func showStruct(v reflect.Value) (any, error) {
	out := map[string]any{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		e, err := showValue(v.Field(i))
		if err != nil {
			return nil, err
		}
		out[f.Name] = e
	}
	return out, nil
}

// showEvents collects an event stream, an iter.Seq2 of events and errors.
func showEvents(v reflect.Value) (any, error) {
	out := []any{}
	var failed error
	for event, err := range v.Seq2() {
		if !err.IsNil() {
			failed = err.Interface().(error)
			break
		}
		e, err := showValue(event)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, failed
}

func showBytes(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(b)
}

func print(tree any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(tree); err != nil {
		return err.Error() + "\n"
	}
	// An empty line would end the expected output.
	return strings.ReplaceAll(b.String(), "\n\n", "\n")
}

// find is the text at a dotted path; elements of lists by their index.
func find(tree any, path string) (string, bool) {
	for _, step := range strings.Split(path, ".") {
		switch x := tree.(type) {
		case map[string]any:
			tree = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return "", false
			}
			tree = x[i]
		default:
			return "", false
		}
	}
	if tree == nil {
		return "", false
	}
	return fmt.Sprint(tree), true
}
