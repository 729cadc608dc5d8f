// Package awsjson reads and writes JSON text the way AWS's services do, without
// reflection and without copies that nobody asked for. Generated and hand-coded
// types parse themselves from a Reader and append themselves to a byte slice.
//
// It is stricter than encoding/json: keys are case-sensitive, text that is not
// UTF-8 and raw control characters are refused, and nesting ends at MaxDepth. It
// is as lenient as AWS in two points: of a key given twice the last value counts,
// and half of a surrogate pair reads as U+FFFD.
package awsjson

import "fmt"

// MaxDepth is how deep arrays and objects nest before a Reader gives up.
// DynamoDB's deepest legal item, 32 levels of attribute values, needs 67.
const MaxDepth = 200

// A Kind is the kind of a JSON value, named by the byte that it may begin with.
type Kind byte

// The kinds. Decimal is a Number with a fraction or an exponent; Reader.Kind
// never answers it, errors do.
const (
	Invalid Kind = 0
	Null    Kind = 'n'
	True    Kind = 't'
	False   Kind = 'f'
	String  Kind = '"'
	Number  Kind = '0'
	Decimal Kind = '.'
	Object  Kind = '{'
	Array   Kind = '['
)

// String is the kind's name in error texts.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case True, False:
		return "boolean"
	case String:
		return "string"
	case Number, Decimal:
		return "number"
	case Object:
		return "object"
	case Array:
		return "array"
	}
	return "invalid"
}

// An Appender is a type that writes itself as a JSON value to the end of b.
type Appender interface {
	AppendJSON(b []byte) ([]byte, error)
}

// A Parser is a type that reads itself from the value at which r stands. It must
// consume exactly that value. It never sees null: whoever calls it takes a null
// for an absent value.
type Parser interface {
	ParseJSON(r *Reader) error
}

// An Error says what is wrong with a text, and where.
type Error struct {
	Offset int // in bytes from the text's start
	// Want and Got are set if a value is well formed but of the wrong kind. Want is
	// True for either boolean.
	Want, Got Kind
	Reason    string // what is wrong with the syntax, otherwise
}

// Error implements error.
func (e *Error) Error() string {
	if e.Want != Invalid {
		return fmt.Sprintf("json: %v at offset %d where a %v belongs", e.Got, e.Offset, e.Want)
	}
	return fmt.Sprintf("json: %s at offset %d", e.Reason, e.Offset)
}
