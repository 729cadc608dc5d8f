package main

import (
	"encoding/json"
	"io"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A filler makes inputs that satisfy the model: of required members alone, or of all.
type filler struct {
	op   *aws.Operation
	full bool
	// known are values of members by name, "apigateway.ResourceId" before "ResourceId".
	known map[string]string
	// arns are what a member that is an ARN may be, the likeliest first.
	arns func(op *aws.Operation, member string) []string
}

// deep is how far a filler goes into structures, which may hold themselves.
const deep = 5

func (f filler) fill(in any) { f.structure(reflect.ValueOf(in).Elem(), 0) }

func (f filler) structure(v reflect.Value, depth int) {
	union := false
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Name == "_" {
			union = strings.Contains(field.Tag.Get("aws")+",", ",union,")
			continue
		}
		required := strings.Contains(field.Tag.Get("aws")+",", ",required,") || needed[f.op.Service.Package+"."+field.Name]
		if !field.IsExported() || !required && (!f.full || depth >= deep) {
			continue
		}
		f.value(v.Field(i), field.Name, field.Tag.Get("check"), depth)
		if union {
			return
		}
	}
}

func (f filler) value(v reflect.Value, name, check string, depth int) {
	if v.CanAddr() && v.Type() != reflect.TypeFor[time.Time]() {
		if u, ok := v.Addr().Interface().(json.Unmarshaler); ok && v.Kind() != reflect.Pointer {
			for _, text := range []string{`{"S": "example"}`, `{"id": {"S": "example"}}`} { // an attribute, an item
				if u.UnmarshalJSON([]byte(text)) == nil {
					return
				}
			}
		}
	}
	own, elem, key := splitCheck(check)
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.value(v.Elem(), name, check, depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1767323045, 0)))
			return
		}
		f.structure(v, depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.text(name, own)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), max(1, lowest(own)), max(1, lowest(own))))
		for i := range v.Len() {
			f.value(v.Index(i), name, elem, depth)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range max(1, lowest(own)) {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.value(k, name+".key", key, depth)
			f.value(e, name+".value", elem, depth)
			if i > 0 {
				k.SetString(k.String() + strconv.Itoa(i))
			}
			v.SetMapIndex(k, e)
		}
	case reflect.String:
		v.SetString(f.text(name, own))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(max(1, lowest(own))))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(max(1, lowest(own))))
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[io.Reader]() {
			v.Set(reflect.ValueOf(io.Reader(strings.NewReader("example"))))
		}
	}
}

// exampleRole is what every member is that can be a role.
const exampleRole = "arn:aws:iam::000000000000:role/example"

// text is a value of a text member: what is known of it, else the first of a few that
// the model allows, else one made after its pattern.
func (f filler) text(name, check string) string {
	if _, list, ok := strings.Cut(check, "enum:"); ok {
		first, _, _ := strings.Cut(list, " ")
		first, _, _ = strings.Cut(first, "|")
		return first
	}
	var tries []string
	lower := strings.ToLower(name)
	for _, n := range []string{f.op.Service.Package + "." + f.op.Name + "." + name, f.op.Service.Package + "." + name, name} {
		if v, ok := f.known[n]; ok {
			tries = append(tries, v)
		}
	}
	if strings.Contains(lower, "role") && !strings.HasSuffix(lower, "document") || lower == "credentials" {
		tries = append(tries, exampleRole)
	}
	if strings.HasSuffix(lower, "arn") || strings.HasSuffix(lower, "arns") || strings.HasPrefix(lower, "resource") {
		tries = append(tries, f.arns(f.op, name)...)
	}
	tries = append(tries, "example", "1", "000000000000", "example@example.com", "https://example.com")
	least, most := bounds(check)
	pattern := patternOf(check)
	for _, t := range tries {
		if len(t) >= least && len(t) <= most && (pattern == nil || pattern.MatchString(t)) {
			return t
		}
	}
	if pattern == nil {
		return strings.Repeat("example-", most)[:max(least, 1)]
	}
	tree, err := syntax.Parse(pattern.String(), syntax.Perl)
	if err != nil {
		return ""
	}
	for n := range 257 {
		if t := sample(tree.Simplify(), n); len(t) >= least && len(t) <= most && pattern.MatchString(t) {
			return t
		}
	}
	return ""
}

// sample is a text of a pattern, in which what may be repeated is, n times.
func sample(re *syntax.Regexp, n int) string {
	var b strings.Builder
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		for _, want := range "ae1-" {
			for i := 0; i < len(re.Rune); i += 2 {
				if re.Rune[i] <= want && want <= re.Rune[i+1] {
					return string(want)
				}
			}
		}
		return string(re.Rune[0])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpAlternate, syntax.OpCapture:
		return sample(re.Sub[0], n)
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			b.WriteString(sample(sub, n))
		}
	case syntax.OpQuest:
		if n > 0 {
			return sample(re.Sub[0], n)
		}
	case syntax.OpStar, syntax.OpPlus:
		if re.Op == syntax.OpPlus {
			n = max(n, 1)
		}
		for range n {
			b.WriteString(sample(re.Sub[0], 1))
		}
	case syntax.OpRepeat:
		for range re.Min {
			b.WriteString(sample(re.Sub[0], n))
		}
	}
	return b.String()
}

// splitCheck takes a check tag apart: what holds for the value itself, for elements
// and map values in brackets, and for map keys in braces. See wire's checks.
func splitCheck(s string) (own, elem, key string) {
	depth, start := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"':
			q, err := strconv.QuotedPrefix(s[i:])
			if err != nil {
				return s, "", ""
			}
			if depth == 0 {
				own += q
			}
			i += len(q) - 1
			continue
		case '[', '{':
			if depth++; depth == 1 {
				start = i + 1
				continue
			}
		case ']', '}':
			if depth--; depth == 0 {
				if c == ']' {
					elem = s[start:i]
				} else {
					key = s[start:i]
				}
				continue
			}
		}
		if depth == 0 {
			own += s[i : i+1]
		}
	}
	return strings.TrimSpace(own), elem, key
}

var (
	boundsTag = regexp.MustCompile(`(?:len|range):(-?[0-9.]*?)\.\.(-?[0-9.]*)`)
	matchTag  = regexp.MustCompile(`match:"`)
)

func bounds(check string) (least, most int) {
	most = 1 << 20
	if m := boundsTag.FindStringSubmatch(check); m != nil {
		if n, err := strconv.ParseFloat(m[1], 64); err == nil {
			least = int(n)
		}
		if n, err := strconv.ParseFloat(m[2], 64); err == nil {
			most = int(n)
		}
	}
	return least, most
}

func lowest(check string) int {
	least, _ := bounds(check)
	return least
}

func patternOf(check string) *regexp.Regexp {
	at := matchTag.FindStringIndex(check)
	if at == nil {
		return nil
	}
	q, err := strconv.QuotedPrefix(check[at[1]-1:])
	if err != nil {
		return nil
	}
	text, err := strconv.Unquote(q)
	if err != nil {
		return nil
	}
	return regexp.MustCompile(`\A(?:` + text + `)\z`)
}
