package wire

import (
	"errors"
	"reflect"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/aws/awsjson"
)

// fail turns an error of awsjson into the one that AWS gives for it, if it is not
// yet an *aws.Error. n is what was to be read, nil if nothing in particular; element says that it is
// the element of a list or map, and not a member.
func (j *jsonDecoder) fail(err error, n *node, element bool) error {
	if err == nil {
		return nil
	}
	var known *aws.Error
	if errors.As(err, &known) {
		return err
	}
	var e *awsjson.Error
	if !errors.As(err, &e) {
		return j.malformed("%s", err.Error()).Because(err)
	}
	if e.Want != awsjson.Invalid && n != nil {
		return j.malformed("%s", j.mismatch(e, n, element)).Because(err)
	}
	if j.protocol == aws.RestJSON {
		return j.malformed("Could not parse request body into json: %s", strings.TrimPrefix(e.Error(), "json: ")).Because(err)
	}
	return j.malformed("Unexpected token received from parser: %s", strings.TrimPrefix(e.Error(), "json: ")).Because(err)
}

// castText is what AWS says if a list or map within a list or map is something
// else: an accident of its Java that clients' tests have come to know.
const castText = "class sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl cannot be cast to class java.lang.Class " +
	"(sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl and java.lang.Class are in module java.base of loader 'bootstrap')"

// mismatch is AWS's text for a value of the wrong kind.
func (j *jsonDecoder) mismatch(e *awsjson.Error, n *node, element bool) string {
	structure := n.kind == kStruct || n.kind == kHand
	collection := n.kind == kList || n.kind == kMap
	switch {
	case e.Got == awsjson.Object:
		return "Start of structure or map found where not expected"
	case e.Got == awsjson.Array:
		return "Unrecognized collection type " + j.class(n)
	case structure && element:
		return "Unexpected value type in payload"
	case collection && element && !n.flat:
		return castText
	case structure || collection:
		return "Unexpected field type"
	case n.kind == kBlob:
		return "only base-64-encoded strings are convertible to bytes"
	case n.kind == kBool && e.Got == awsjson.String:
		return "Unexpected token received from parser"
	}
	return jacksonKind(e.Got) + " cannot be converted to " + n.javaName()
}

// within is the node to speak of when a hand-coded type, which began at start, found
// a value of the wrong kind in it: what the model has there is not known, but the
// kind that the type looked for is.
func (n *node) within(err error, start int) *node {
	var e *awsjson.Error
	if !errors.As(err, &e) {
		return n
	}
	switch e.Want {
	case awsjson.True:
		return &node{kind: kBool}
	case awsjson.Number:
		return &node{kind: kInt64}
	case awsjson.Array:
		return &node{kind: kList, flat: true}
	case awsjson.Object:
		if e.Offset == start && n.typ.Kind() == reflect.Map {
			return &node{kind: kMap, elem: &node{kind: kHand, typ: n.typ.Elem()}}
		}
		return n
	}
	return &node{kind: kString}
}

// offset is where in the text err was found.
func offset(err error) int {
	var e *awsjson.Error
	if errors.As(err, &e) {
		return e.Offset
	}
	return -1
}

// jacksonKind is what AWS calls the kind of a value.
func jacksonKind(k awsjson.Kind) string {
	switch k {
	case awsjson.True:
		return "TRUE_VALUE"
	case awsjson.False:
		return "FALSE_VALUE"
	case awsjson.String:
		return "STRING_VALUE"
	case awsjson.Decimal:
		return "DECIMAL_VALUE"
	case awsjson.Null:
		return "NULL_VALUE"
	}
	return "NUMBER_VALUE"
}

func numberKind(text []byte) string {
	if awsjson.Integral(text) {
		return "NUMBER_VALUE"
	}
	return "DECIMAL_VALUE"
}

// class is the name of n's Java class, with what stands before it in AWS's texts.
func (j *jsonDecoder) class(n *node) string {
	switch n.kind {
	case kMap:
		return "java.util.Map<java.lang.String, " + strings.TrimPrefix(j.class(n.valueNode()), "class ") + ">"
	case kList:
		return "java.util.List<" + strings.TrimPrefix(j.class(n.valueNode()), "class ") + ">"
	case kStruct:
		return "class " + namespace(j.op.Service) + "." + n.plan.name
	case kHand:
		return "class " + namespace(j.op.Service) + "." + n.typ.Name()
	case kBlob:
		return "class java.nio.ByteBuffer"
	case kTime:
		return "class java.util.Date"
	}
	return "class java.lang." + n.javaName()
}

func (n *node) valueNode() *node {
	if n.elem == nil {
		return &node{kind: kString}
	}
	return n.elem
}

// namespace is the Java package of a service's types, which some services show in
// error types: "com.amazonaws.dynamodb.v20120810" for the target "DynamoDB_20120810".
func namespace(s *aws.Service) string {
	name, version, ok := strings.Cut(s.TargetPrefix, "_")
	if !ok || strings.Trim(version, "0123456789") != "" {
		return "com.amazonaws." + s.EndpointPrefix
	}
	return "com.amazonaws." + strings.ToLower(name) + ".v" + version
}
