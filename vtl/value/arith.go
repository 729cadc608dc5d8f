package value

import (
	"cmp"
	"math"
	"math/big"
	"strconv"
)

// IsNumber reports whether v is a java.lang.Number.
func IsNumber(v any) bool {
	switch v.(type) {
	case int32, int64, *big.Int, float64, Number:
		return true
	}
	return false
}

func (n Number) float() float64 {
	f, _ := strconv.ParseFloat(string(n), 64) // ±Inf where it is out of range, as Double.parseDouble
	return f
}

func isInteger(v any) bool {
	switch v.(type) {
	case int32, int64, *big.Int:
		return true
	}
	return false
}

func toLong(v any) int64 {
	switch v := v.(type) {
	case int32:
		return int64(v)
	case int64:
		return v
	case *big.Int:
		return int64(new(big.Int).And(v, new(big.Int).SetUint64(math.MaxUint64)).Uint64())
	}
	return doubleToLong(toDouble(v))
}

func doubleToLong(d float64) int64 {
	switch {
	case math.IsNaN(d):
		return 0
	case d >= math.MaxInt64:
		return math.MaxInt64
	case d <= math.MinInt64:
		return math.MinInt64
	}
	return int64(d)
}

func toDouble(v any) float64 {
	switch v := v.(type) {
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	case Number:
		return v.float()
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	}
	return 0
}

func toBig(v any) *big.Int {
	if b, ok := v.(*big.Int); ok {
		return b
	}
	return big.NewInt(toLong(v))
}

// wrap gives an integer result the wider of its operands' types, or a wider
// one still where it does not fit: 2147483647 + 1 is a Long.
func wrap(n int64, a, b any) any {
	_, long := a.(int64)
	if _, l := b.(int64); l || long {
		return n
	}
	return Int(n)
}

// Arith calculates a op b for op in + - * / %. Both must be numbers. Division
// and remainder by zero give nil, which Velocity prints as the reference itself.
// A mix of BigInteger and a decimal calculates as doubles (Java: BigDecimal).
func Arith(m *Meter, op byte, a, b any) (any, error) {
	if (op == '/' || op == '%') && toDouble(b) == 0 {
		return nil, nil
	}
	if !isInteger(a) || !isInteger(b) {
		return floatArith(op, toDouble(a), toDouble(b)), nil
	}
	_, bigA := a.(*big.Int)
	_, bigB := b.(*big.Int)
	if bigA || bigB {
		return bigArith(m, op, toBig(a), toBig(b))
	}
	x, y := toLong(a), toLong(b)
	switch op {
	case '+':
		if r := x + y; (r^x) >= 0 || (r^y) >= 0 {
			return wrap(r, a, b), nil
		}
	case '-':
		if r := x - y; (r^x) >= 0 || (r^^y) >= 0 {
			return wrap(r, a, b), nil
		}
	case '*':
		if r := x * y; y == 0 || r/y == x && (y != -1 || x != math.MinInt64) {
			return wrap(r, a, b), nil
		}
	case '/':
		return wrap(x/y, a, b), nil
	case '%':
		return wrap(x%y, a, b), nil
	}
	return bigArith(m, op, big.NewInt(x), big.NewInt(y))
}

func floatArith(op byte, x, y float64) any {
	switch op {
	case '+':
		return x + y
	case '-':
		return x - y
	case '*':
		return x * y
	case '/':
		return x / y
	}
	return math.Mod(x, y)
}

func bigArith(m *Meter, op byte, x, y *big.Int) (any, error) {
	size := (x.BitLen() + y.BitLen()) / 8
	if err := m.Grow(size + slot); err != nil {
		return nil, err
	}
	if err := m.Step(1 + size*size/(1<<16)); err != nil {
		return nil, err
	}
	r := new(big.Int)
	switch op {
	case '+':
		r.Add(x, y)
	case '-':
		r.Sub(x, y)
	case '*':
		r.Mul(x, y)
	case '/':
		r.Quo(x, y)
	case '%':
		if y.Sign() < 0 {
			return nil, &Exception{Class: "java.lang.ArithmeticException", Msg: "BigInteger: modulus not positive"}
		}
		r.Mod(x, y)
	}
	return r, nil
}

// Compare orders two numbers: -1, 0 or 1. NaN equals everything, as in 1.7.
func Compare(a, b any) int {
	if !isInteger(a) || !isInteger(b) {
		x, y := toDouble(a), toDouble(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	_, bigA := a.(*big.Int)
	_, bigB := b.(*big.Int)
	if bigA || bigB {
		return toBig(a).Cmp(toBig(b))
	}
	return cmp.Compare(toLong(a), toLong(b))
}

// IntValue is Number.intValue: truncated, or saturated where it is a decimal.
func IntValue(n any) int32 {
	if isInteger(n) {
		return int32(toLong(n))
	}
	return doubleToInt(toDouble(n))
}

// DoubleValue is Number.doubleValue.
func DoubleValue(n any) float64 { return toDouble(n) }
