package value

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tule-cloud/tule/api/dynamodb"
)

func TestPlain(t *testing.T) {
	nines := strings.Repeat("9", 38)
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "0e999999999999": "0", "1": "1", "+1": "1", "-1": "-1", "007": "7", "1.0": "1", "1.50": "1.5",
		".5": "0.5", "5.": "5", "1E3": "1000", "1e-3": "0.001", "123.456e1": "1234.56", "-12.30E+2": "-1230",
		nines: nines, nines + "E87": nines + strings.Repeat("0", 87), "1E125": "1" + strings.Repeat("0", 125), "1E-130": "0." + strings.Repeat("0", 129) + "1",
		"1" + strings.Repeat("0", 60): "1" + strings.Repeat("0", 60),
		"1E126":                       "Number overflow. Attempting to store a number with magnitude larger than supported range",
		"-1E99999999999999999999999":  "Number overflow. Attempting to store a number with magnitude larger than supported range",
		"1E-131":                      "Number underflow. Attempting to store a number with magnitude smaller than supported range",
		nines + "9":                   "Attempting to store more than 38 significant digits in a Number",
		nines + ".1":                  "Attempting to store more than 38 significant digits in a Number",
		"":                            "The parameter cannot be converted to a numeric value",
		".":                           "The parameter cannot be converted to a numeric value: .",
		"-":                           "The parameter cannot be converted to a numeric value: -",
		"1e":                          "The parameter cannot be converted to a numeric value: 1e",
		"1e+":                         "The parameter cannot be converted to a numeric value: 1e+",
		"1x":                          "The parameter cannot be converted to a numeric value: 1x",
		"0x1":                         "The parameter cannot be converted to a numeric value: 0x1",
		"NaN":                         "The parameter cannot be converted to a numeric value: NaN",
		"1.2.3":                       "The parameter cannot be converted to a numeric value: 1.2.3",
		"--1":                         "The parameter cannot be converted to a numeric value: --1",
	} {
		got, err := Plain(in)
		if err != nil {
			got = message(err)
		}
		if got != want {
			t.Errorf("%.60s: %.90q, want %.90q", in, got, want)
		}
	}
}

func rational(t testing.TB, text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%s is not a number", text)
	}
	return r
}

func randomNumber(r *rand.Rand) string {
	digits := make([]byte, 1+r.IntN(20))
	for i := range digits {
		digits[i] = byte('0' + r.IntN(10))
	}
	s := string(digits)
	if r.IntN(2) == 0 {
		s = "-" + s
	}
	return s + "E" + strconv.Itoa(r.IntN(17)-18)
}

// What Add, Subtract, Compare and AppendKey say agrees with rational numbers.
func TestArithmeticAndOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		a, b := randomNumber(r), randomNumber(r)
		if r.IntN(10) == 0 {
			b = a
		}
		x, err := ParseNumber(a)
		if err != nil {
			t.Fatal(err)
		}
		y, _ := ParseNumber(b)
		p, q := rational(t, a), rational(t, b)
		sum, err := x.Add(y)
		if want := new(big.Rat).Add(p, q); err != nil || rational(t, sum.String()).Cmp(want) != 0 {
			t.Fatalf("%s + %s = %v, %v; want %v", a, b, sum, err, want)
		}
		diff, err := x.Subtract(y)
		if want := new(big.Rat).Sub(p, q); err != nil || rational(t, diff.String()).Cmp(want) != 0 {
			t.Fatalf("%s - %s = %v, %v; want %v", a, b, diff, err, want)
		}
		want := p.Cmp(q)
		if got := max(-1, min(1, x.Compare(y))); got != want {
			t.Fatalf("%s and %s: %d, want %d", a, b, got, want)
		}
		ka, kb := AppendKey(nil, dynamodb.Number(a)), AppendKey(nil, dynamodb.Number(b))
		if got := bytes.Compare(ka, kb); got != want {
			t.Fatalf("keys of %s and %s: %d, want %d", a, b, got, want)
		}
	}
}

func TestSums(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"1", "2", "3"}, {"0", "0", "0"}, {"1E125", "-1E125", "0"}, {"9.99", "0.01", "10"},
		{"9.9E125", "1E125", "Number overflow. Attempting to store a number with magnitude larger than supported range"},
		{"1E100", "1", "Attempting to store more than 38 significant digits in a Number"},
	} {
		x, _ := ParseNumber(c.a)
		y, _ := ParseNumber(c.b)
		sum, err := x.Add(y)
		got := sum.String()
		if err != nil {
			got = message(err)
		}
		if got != c.want {
			t.Errorf("%s + %s: %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestKeysInOrder(t *testing.T) {
	numbers := []string{"-1E125", "-123.5", "-123", "-12.4", "-12", "-1.23", "-1.2", "-1", "-0.5", "-1E-130", "0",
		"1E-130", "0.5", "1", "1.2", "1.23", "9", "10", "12", "12.4", "123", "1E125"}
	var keys []string
	for _, n := range numbers {
		keys = append(keys, string(AppendKey(nil, dynamodb.Number(n))))
	}
	if !slices.IsSorted(keys) {
		t.Errorf("%q", keys)
	}
	if got := AppendKey(nil, dynamodb.String("a\x00b")); string(got) != "a\x00b" {
		t.Errorf("%q", got)
	}
}

// FuzzNumber holds that the plain notation of a number is the same number.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "-1.5e10", "0.00", ".", "1e", "+7E-130"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, err := Plain(s)
		if err != nil || len(s) > 1000 {
			return
		}
		if again, err := Plain(plain); err != nil || again != plain {
			t.Fatalf("%s and then %s, %v", plain, again, err)
		}
		if n, _ := ParseNumber(s); n.digits != "" && rational(t, s).Cmp(rational(t, plain)) != 0 {
			t.Fatalf("%s became %s", s, plain)
		}
	})
}
