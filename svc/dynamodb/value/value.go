// Package value is what DynamoDB knows of attribute values: which are legal, how
// large they count, how they compare and sort, and how they lie in the store.
//
// Numbers are decimals of 38 digits. They are handed back in plain notation, as
// DynamoDB does: 1E3 as 1000, 1.50 as 1.5.
package value

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
)

// MaxDepth is how deep lists and maps nest within an item.
const MaxDepth = 32

// Invalid is DynamoDB's answer to an input that breaks a rule.
func Invalid(format string, args ...any) *aws.Error {
	return aws.Errorf(400, "ValidationException", format, args...)
}

// Invalidf is Invalid with the words that most such messages begin with.
func Invalidf(format string, args ...any) *aws.Error {
	return Invalid("One or more parameter values were invalid: "+format, args...)
}

// CheckItem checks every value of an item and writes its numbers in plain notation.
func CheckItem(it dynamodb.Item) error {
	for i := range it {
		if err := check(&it[i].Value, 0); err != nil {
			return err
		}
	}
	return nil
}

// Check checks one value and writes its numbers in plain notation.
func Check(v *dynamodb.AttributeValue) error { return check(v, 0) }

func check(v *dynamodb.AttributeValue, depth int) error {
	if v.Several() {
		return Invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	if depth > MaxDepth {
		return Invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
	}
	switch v.Type() {
	case dynamodb.NoType:
		return Invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case dynamodb.TypeN:
		text, err := Plain(v.Text())
		if err != nil {
			return err
		}
		if text != v.Text() {
			*v = dynamodb.Number(text)
		}
	case dynamodb.TypeNULL:
		if !v.Truth() {
			return Invalidf("Null attribute value types must have the value of true")
		}
	case dynamodb.TypeSS, dynamodb.TypeNS, dynamodb.TypeBS:
		return checkSet(v.Type(), v.Elements())
	case dynamodb.TypeL:
		for i := range v.List() {
			if err := check(&v.List()[i], depth+1); err != nil {
				return err
			}
		}
	case dynamodb.TypeM:
		for i := range v.Fields() {
			if err := check(&v.Fields()[i].Value, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSet(t dynamodb.ValueType, elements []string) error {
	if len(elements) == 0 {
		switch t {
		case dynamodb.TypeSS:
			return Invalidf("An string set  may not be empty")
		case dynamodb.TypeNS:
			return Invalidf("An number set  may not be empty")
		}
		return Invalidf("Binary sets should not be empty")
	}
	if t == dynamodb.TypeNS {
		for i, text := range elements {
			plain, err := Plain(text)
			if err != nil {
				return err
			}
			elements[i] = plain
		}
	}
	if !duplicates(elements) {
		return nil
	}
	switch t {
	case dynamodb.TypeSS:
		return Invalidf("Input collection [%s] contains duplicates.", strings.Join(elements, ", "))
	case dynamodb.TypeNS:
		return Invalid("Input collection contains duplicates")
	}
	var texts []string
	for _, e := range elements {
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(e)))
	}
	return Invalidf("Input collection [%s]of type BS contains duplicates.", strings.Join(texts, ", "))
}

func duplicates(elements []string) bool {
	if len(elements) < 2 {
		return false
	}
	sorted := slices.Clone(elements)
	slices.Sort(sorted)
	return len(slices.Compact(sorted)) != len(elements)
}

// Size is how many bytes a value counts, its name not included.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func Size(v dynamodb.AttributeValue) int {
	switch v.Type() {
	case dynamodb.TypeS, dynamodb.TypeB:
		return len(v.Text())
	case dynamodb.TypeN:
		return numberSize(v.Text())
	case dynamodb.TypeBOOL, dynamodb.TypeNULL:
		return 1
	case dynamodb.TypeNS:
		n := 0
		for _, e := range v.Elements() {
			n += numberSize(e)
		}
		return n
	case dynamodb.TypeSS, dynamodb.TypeBS:
		n := 0
		for _, e := range v.Elements() {
			n += len(e)
		}
		return n
	case dynamodb.TypeL:
		n := 3
		for _, e := range v.List() {
			n += 1 + Size(e)
		}
		return n
	case dynamodb.TypeM:
		return 3 + len(v.Fields()) + ItemSize(v.Fields())
	}
	return 0
}

// ItemSize is how many bytes an item counts.
func ItemSize(it dynamodb.Item) int {
	n := 0
	for i := range it {
		n += len(it[i].Name) + Size(it[i].Value)
	}
	return n
}

func numberSize(text string) int {
	n, err := ParseNumber(text)
	if err != nil || n.digits == "" {
		return 1
	}
	size := 1 + (len(n.digits)+1)/2
	if len(n.digits)%2 == 0 && n.exp%2 == 0 {
		size++ // the digits lie across one more byte
	}
	if n.negative {
		size++
	}
	return size
}
