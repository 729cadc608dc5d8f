package dynamodb

import (
	"encoding/base64"
	"strings"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// appendIonItem writes an item as a struct of Ion's text form, with numbers as decimals
// and sets as lists that say what they are of.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html#S3DataExport.Output.Data
func appendIonItem(b []byte, it api.Item) []byte {
	b = append(b, '{')
	for i, a := range it {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendIonName(b, a.Name), ':')
		b = appendIon(b, a.Value)
	}
	return append(b, '}')
}

func appendIon(b []byte, v api.AttributeValue) []byte {
	switch v.Type() {
	case api.TypeS:
		return awsjson.AppendString(b, v.Text())
	case api.TypeN:
		return append(b, ionDecimal(v.Text())...)
	case api.TypeB:
		return appendIonBlob(b, v.Text())
	case api.TypeBOOL:
		if v.Truth() {
			return append(b, "true"...)
		}
		return append(b, "false"...)
	case api.TypeNULL:
		return append(b, "null"...)
	case api.TypeM:
		return appendIonItem(b, v.Fields())
	case api.TypeL:
		b = append(b, '[')
		for i, e := range v.List() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendIon(b, e)
		}
		return append(b, ']')
	}
	return appendIonSet(b, v)
}

func appendIonSet(b []byte, v api.AttributeValue) []byte {
	name := map[api.ValueType]string{api.TypeSS: "SS", api.TypeNS: "NS", api.TypeBS: "BS"}[v.Type()]
	b = append(append(b, "$dynamodb_"+name...), "::["...)
	for i, e := range v.Elements() {
		if i > 0 {
			b = append(b, ',')
		}
		switch name {
		case "NS":
			b = append(b, ionDecimal(e)...)
		case "BS":
			b = appendIonBlob(b, e)
		default:
			b = awsjson.AppendString(b, e)
		}
	}
	return append(b, ']')
}

func appendIonBlob(b []byte, data string) []byte {
	return append(append(append(b, "{{"...), base64.StdEncoding.EncodeToString([]byte(data))...), "}}"...)
}

// ionDecimal is a number that no reader takes for an integer or a binary float.
func ionDecimal(text string) string {
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		return text[:i] + "d" + strings.TrimPrefix(text[i+1:], "+")
	}
	if !strings.Contains(text, ".") {
		return text + "."
	}
	return text
}

// appendIonName writes a field's name, in quotes unless it needs none.
func appendIonName(b []byte, name string) []byte {
	for i, r := range name {
		if !(r == '_' || r == '$' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && r >= '0' && r <= '9') {
			return quoteIon(b, name)
		}
	}
	switch name {
	case "", "null", "true", "false", "nan":
		return quoteIon(b, name)
	}
	if name[0] == '$' { // may be a symbol's number
		return quoteIon(b, name)
	}
	return append(b, name...)
}

func quoteIon(b []byte, name string) []byte {
	text := awsjson.AppendString(nil, name)
	inner := strings.ReplaceAll(string(text[1:len(text)-1]), "'", `\'`)
	return append(append(append(b, '\''), inner...), '\'')
}
