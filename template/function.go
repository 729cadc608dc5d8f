package template

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tule-cloud/tule/ordered"
)

func join(_ *Env, v any) (any, error) {
	wrong := errors.New("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.")
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return nil, wrong
	}
	by, ok := list[0].(string)
	items, isList := list[1].([]any)
	if !ok || !isList {
		return nil, wrong
	}
	out := make([]string, len(items))
	for i, item := range items {
		if out[i], ok = scalarText(item); !ok {
			return nil, wrong
		}
	}
	return strings.Join(out, by), nil
}

func choice(_ *Env, v any) (any, error) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return nil, errors.New("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	i, err := strconv.Atoi(Text(list[0]))
	items, ok := list[1].([]any)
	switch {
	case err != nil || !ok:
		return nil, errors.New("Template error: Fn::Select requires a list argument with two elements: an integer index and a list")
	case i < 0 || i >= len(items):
		return nil, fmt.Errorf("Template error: Fn::Select cannot select nonexistent value at index %d", i)
	}
	return items[i], nil
}

func split(_ *Env, v any) (any, error) {
	wrong := errors.New("Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return nil, wrong
	}
	by, ok := list[0].(string)
	text, isText := scalarText(list[1])
	if !ok || !isText || by == "" {
		return nil, wrong
	}
	out := []any{}
	for _, item := range strings.Split(text, by) {
		out = append(out, item)
	}
	return out, nil
}

func findInMap(e *Env, v any) (any, error) {
	list, ok := v.([]any)
	if !ok || len(list) != 3 && (len(list) != 4 || !e.Extended) {
		return nil, errors.New("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
	}
	name, key, attr := Text(list[0]), Text(list[1]), Text(list[2])
	if len(list) == 4 {
		fallback, _ := list[3].(*ordered.Object)
		if fallback == nil {
			return nil, errors.New("Template error: the fourth parameter of Fn::FindInMap must be an object with a DefaultValue")
		}
		if out, err := lookUp(e.Template.Mappings, name, key, attr); err == nil {
			return out, nil
		}
		return fallback.Get("DefaultValue"), nil
	}
	return lookUp(e.Template.Mappings, name, key, attr)
}

func lookUp(mappings *ordered.Object, name, key, attr string) (any, error) {
	m, ok := mappings.Get(name).(*ordered.Object)
	if !ok {
		return nil, fmt.Errorf("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", name)
	}
	first, _ := m.Get(key).(*ordered.Object)
	if first == nil || !first.Has(attr) {
		return nil, fmt.Errorf("Template error: Unable to get mapping for %s::%s::%s", name, key, attr)
	}
	return first.Get(attr), nil
}

// cidr cuts a block of addresses into smaller ones.
func cidr(_ *Env, v any) (any, error) {
	wrong := errors.New("Template error: every Fn::Cidr object requires two parameters, (1) a valid ip address block and (2) a number of cidrs, and (3, optional) cidrBits")
	list, ok := v.([]any)
	if !ok || len(list) < 2 || len(list) > 3 {
		return nil, wrong
	}
	block, err := netip.ParsePrefix(Text(list[0]))
	count, err2 := strconv.Atoi(Text(list[1]))
	if err != nil || err2 != nil || count < 1 || count > 256 {
		return nil, wrong
	}
	size := block.Addr().BitLen()
	bits := 8
	if size == 128 {
		bits = 64
	}
	if len(list) == 3 {
		if bits, err = strconv.Atoi(Text(list[2])); err != nil || bits < 0 || bits > size {
			return nil, wrong
		}
	}
	length := size - bits
	if length < block.Bits() || length-block.Bits() < 16 && count > 1<<(length-block.Bits()) {
		return nil, wrong
	}
	at := new(big.Int).SetBytes(block.Masked().Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	out := []any{}
	for range count {
		a, _ := netip.AddrFromSlice(at.FillBytes(make([]byte, size/8)))
		out = append(out, netip.PrefixFrom(a, length).String())
		at.Add(at, step)
	}
	return out, nil
}

// extensions are the functions of AWS::LanguageExtensions.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-languageextensions.html
var extensions = map[string]func(e *Env, v any) (any, error){
	"Fn::Length": func(_ *Env, v any) (any, error) {
		list, ok := v.([]any)
		if !ok {
			return nil, errors.New("Template error: Fn::Length object needs an array or a function that returns an array.")
		}
		return len(list), nil
	},
	"Fn::ToJsonString": func(_ *Env, v any) (any, error) {
		switch v.(type) {
		case *ordered.Object, []any:
			return string(ordered.Compact(v)), nil
		}
		return nil, errors.New("Template error: Fn::ToJsonString object needs an object or an array.")
	},
}
