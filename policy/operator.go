package policy

import "strings"

// operator is a condition operator taken apart.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
type operator struct {
	base     baseOperator
	negated  bool // StringNotEquals and the like
	ifExists bool
	set      setOperator
}

type setOperator uint8

const (
	setNone setOperator = iota
	setAny
	setAll
)

type baseOperator uint8

const (
	opStringEquals baseOperator = iota
	opStringEqualsIgnoreCase
	opStringLike
	opNumericEquals
	opNumericLess
	opNumericLessEquals
	opNumericGreater
	opNumericGreaterEquals
	opDateEquals
	opDateLess
	opDateLessEquals
	opDateGreater
	opDateGreaterEquals
	opBool
	opBinaryEquals
	opIPAddress
	opArnLike
	opNull
)

// parseOperator reads an operator's name. Case does not matter.
func parseOperator(name string) (op operator, ok bool) {
	name = lowerASCII(name)
	if rest, found := strings.CutPrefix(name, "foranyvalue:"); found {
		op.set, name = setAny, rest
	} else if rest, found := strings.CutPrefix(name, "forallvalues:"); found {
		op.set, name = setAll, rest
	}
	if rest, found := strings.CutSuffix(name, "ifexists"); found {
		op.ifExists, name = true, rest
	}
	op.base, op.negated, ok = baseOperatorNamed(name)
	if op.base == opNull && (op.ifExists || op.set != setNone) {
		return op, false // Null asks for existence itself
	}
	return op, ok
}

func baseOperatorNamed(name string) (base baseOperator, negated, ok bool) {
	switch name {
	case "stringequals":
		return opStringEquals, false, true
	case "stringnotequals":
		return opStringEquals, true, true
	case "stringequalsignorecase":
		return opStringEqualsIgnoreCase, false, true
	case "stringnotequalsignorecase":
		return opStringEqualsIgnoreCase, true, true
	case "stringlike":
		return opStringLike, false, true
	case "stringnotlike":
		return opStringLike, true, true
	case "numericequals":
		return opNumericEquals, false, true
	case "numericnotequals":
		return opNumericEquals, true, true
	case "numericlessthan":
		return opNumericLess, false, true
	case "numericlessthanequals":
		return opNumericLessEquals, false, true
	case "numericgreaterthan":
		return opNumericGreater, false, true
	case "numericgreaterthanequals":
		return opNumericGreaterEquals, false, true
	case "dateequals":
		return opDateEquals, false, true
	case "datenotequals":
		return opDateEquals, true, true
	case "datelessthan":
		return opDateLess, false, true
	case "datelessthanequals":
		return opDateLessEquals, false, true
	case "dategreaterthan":
		return opDateGreater, false, true
	case "dategreaterthanequals":
		return opDateGreaterEquals, false, true
	case "bool":
		return opBool, false, true
	case "binaryequals":
		return opBinaryEquals, false, true
	case "ipaddress":
		return opIPAddress, false, true
	case "notipaddress":
		return opIPAddress, true, true
	case "arnequals", "arnlike":
		return opArnLike, false, true
	case "arnnotequals", "arnnotlike":
		return opArnLike, true, true
	case "null":
		return opNull, false, true
	}
	return opNull, false, false
}
