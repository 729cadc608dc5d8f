// Package value is the world that a Velocity template sees: Java's strings,
// numbers, lists and maps, with the methods that templates call on them.
//
// A value is one of
//
//	nil       null
//	bool      Boolean
//	int32     Integer
//	int64     Long
//	*big.Int  BigInteger
//	float64   Double
//	Number    a decimal read from JSON, which keeps its text
//	Char      Character
//	string    String (UTF-8 here; lengths and indexes count UTF-16 units, as Java's do)
//	*List     ArrayList, a Java array, or the Set and Collection views of a map
//	*Map      LinkedHashMap: insertion order is kept
//	*Entry    Map.Entry
//	*Iterator Iterator
//	Object    anything that the host lends to the template
//	Absent    nothing, where API Gateway answers an empty text rather than null
//
// What differs from Java on purpose: reflection (getClass) and bytes (getBytes)
// are not there; keySet, values and entrySet are snapshots, not live views; lists
// and maps used as map keys are compared by identity; regular expressions are
// RE2's, so no look-around and no back-references; a Java array prints like a
// list. Every operation is paid for from a Meter.
package value

import (
	"errors"
	"math/big"
)

// Number is a decimal number read from JSON. It calculates as a double and
// prints as it was written, so 1.10 stays 1.10.
type Number string

// Char is a Java char: one UTF-16 unit.
type Char uint16

// Absent is a value that is not there. It prints as nothing and is false; it
// equals both null and the empty string; its properties are absent too; its
// methods are the empty string's. API Gateway's own $context and $input.path
// answer so, while null would print the reference.
type Absent struct{}

// Object is a host value. Call runs the named method; it returns ErrNoMethod
// where the object has no such method for these arguments. Properties are looked
// up as calls too: $o.name tries getName, getname, get("name") and isName.
type Object interface {
	Call(m *Meter, name string, args []any) (any, error)
}

// Getter is an Object with properties that need no call: Get is asked first, and
// answers ErrNoMethod for those that it does not have.
type Getter interface {
	Get(name string) (any, error)
}

// Setter is an Object with properties that a template may assign.
type Setter interface {
	Set(m *Meter, name string, v any) (bool, error)
}

// ErrNoMethod says that no method fits the name and the arguments. Velocity
// takes it for null and prints the reference as it was written.
var ErrNoMethod = errors.New("no such method")

// Exception is what a Java method throws: it ends the template.
type Exception struct {
	Class string // such as java.lang.IndexOutOfBoundsException
	Msg   string
}

func (e *Exception) Error() string {
	if e.Msg == "" {
		return e.Class
	}
	return e.Class + ": " + e.Msg
}

func throw(class, msg string) error { return &Exception{Class: "java.lang." + class, Msg: msg} }

// Of turns what Go code hands in into a value: int, uint8 … become Integer or
// Long, []any a list, map[string]string and map[string]any maps in key order.
// Values pass as they are; what is unknown becomes its string.
func Of(v any) any {
	switch v := v.(type) {
	case nil, bool, int32, int64, float64, *big.Int, Number, Char, string, *List, *Map, *Entry, *Iterator, Absent, Object:
		return v
	case int:
		return Int(int64(v))
	case float32:
		return float64(v)
	case []any:
		l := &List{items: make([]any, len(v))}
		for i, x := range v {
			l.items[i] = Of(x)
		}
		return l
	case []string:
		l := &List{items: make([]any, len(v))}
		for i, x := range v {
			l.items[i] = x
		}
		return l
	case map[string]string:
		return mapOf(v)
	case map[string]any:
		return mapOf(v)
	}
	return goString(v)
}

// Int is the smallest Java type that an integer literal or a JSON integer has:
// Integer where it fits, else Long.
func Int(n int64) any {
	if n == int64(int32(n)) {
		return int32(n)
	}
	return n
}

// Class is the Java class name of v, for messages.
func Class(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "java.lang.Boolean"
	case int32:
		return "java.lang.Integer"
	case int64:
		return "java.lang.Long"
	case *big.Int:
		return "java.math.BigInteger"
	case float64, Number:
		return "java.lang.Double"
	case Char:
		return "java.lang.Character"
	case string, Absent:
		return "java.lang.String"
	case *List:
		return v.class()
	case *Map:
		return "java.util.LinkedHashMap"
	case *Entry:
		return "java.util.Map$Entry"
	case *Iterator:
		return "java.util.Iterator"
	}
	return "java.lang.Object"
}

// Truth is Velocity 1.7's: null and false are false, everything else is true.
func Truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case nil, Absent:
		return false
	}
	return true
}
