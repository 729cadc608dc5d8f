package lambda

import "testing"

func TestPatterns(t *testing.T) {
	const event = `{"eventName": "INSERT", "none": null, "empty": [], "flag": true, "ip": "10.1.2.3", "big": 12345678901234567891,
		"dynamodb": {"n": 5, "f": 1.50, "NewImage": {"name": {"S": "Anna"}, "tags": {"SS": ["a", "b"]}}}, "list": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}`
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{}`, true},
		{`{"eventName": ["INSERT"]}`, true},
		{`{"eventName": ["MODIFY", "INSERT"]}`, true},
		{`{"eventName": ["insert"]}`, false},
		{`{"eventName": ["INSERT"], "flag": [false]}`, false},
		{`{"flag": [true]}`, true},
		{`{"none": [null]}`, true},
		{`{"missing": [null]}`, false},
		{`{"none": [{"exists": true}]}`, true},
		{`{"missing": [{"exists": false}]}`, true},
		{`{"eventName": [{"exists": false}]}`, false},
		{`{"dynamodb": [{"exists": true}]}`, false}, // only leaves exist
		{`{"empty": [{"exists": false}]}`, true},
		{`{"dynamodb": {"OldImage": {"id": [{"exists": false}]}}}`, true},
		{`{"dynamodb": {"n": [5.0]}}`, true},
		{`{"dynamodb": {"f": [1.5]}}`, true},
		{`{"dynamodb": {"n": ["5"]}}`, false},
		{`{"big": [12345678901234567890]}`, false},
		{`{"big": [12345678901234567891]}`, true},
		{`{"dynamodb": {"n": [{"numeric": [">", 0, "<=", 5]}]}}`, true},
		{`{"dynamodb": {"n": [{"numeric": [">", 5]}]}}`, false},
		{`{"dynamodb": {"n": [{"numeric": ["=", 5]}]}}`, true},
		{`{"dynamodb": {"f": [{"numeric": ["<", 1.5]}]}}`, false},
		{`{"eventName": [{"numeric": [">", 0]}]}`, false},
		{`{"eventName": [{"prefix": "IN"}]}`, true},
		{`{"eventName": [{"prefix": {"equals-ignore-case": "in"}}]}`, true},
		{`{"eventName": [{"suffix": "RT"}]}`, true},
		{`{"eventName": [{"suffix": {"equals-ignore-case": "xt"}}]}`, false},
		{`{"eventName": [{"equals-ignore-case": "insert"}]}`, true},
		{`{"eventName": [{"wildcard": "I*E*T"}]}`, true},
		{`{"eventName": [{"wildcard": "I*X"}]}`, false},
		{`{"eventName": [{"wildcard": "I\\*"}]}`, false},
		{`{"eventName": [{"anything-but": "REMOVE"}]}`, true},
		{`{"eventName": [{"anything-but": ["REMOVE", "INSERT"]}]}`, false},
		{`{"dynamodb": {"n": [{"anything-but": [4, 6]}]}}`, true},
		{`{"missing": [{"anything-but": "x"}]}`, false},
		{`{"eventName": [{"anything-but": {"prefix": "IN"}}]}`, false},
		{`{"eventName": [{"anything-but": {"wildcard": "*X*"}}]}`, true},
		{`{"ip": [{"cidr": "10.0.0.0/8"}]}`, true},
		{`{"ip": [{"cidr": "11.0.0.0/8"}]}`, false},
		{`{"dynamodb": {"NewImage": {"name": {"S": [{"prefix": "An"}]}}}}`, true},
		{`{"dynamodb": {"NewImage": {"tags": {"SS": ["b"]}}}}`, true},
		{`{"list": {"a": [3]}}`, true},
		{`{"list": {"a": [1], "b": [4]}}`, false}, // not of one element
		{`{"$or": [{"eventName": ["X"]}, {"dynamodb": {"n": [5]}}]}`, true},
		{`{"$or": [{"eventName": ["X"]}, {"dynamodb": {"n": [6]}}]}`, false},
		{`{"eventName": ["X"], "$or": [{"flag": [true]}, {"flag": [false]}]}`, false},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := (filters{p}).let([]byte(event)); got != c.want {
			t.Errorf("%s: %v", c.pattern, got)
		}
	}
	for _, bad := range []string{``, `[]`, `"x"`, `{"a": 1}`, `{"a": []}`, `{"a": [[1]]}`, `{"a": [{}]}`, `{"a": [{"b": 1}]}`, `{"a": [{"exists": "yes"}]}`,
		`{"a": [{"numeric": [">"]}]}`, `{"a": [{"numeric": ["~", 1]}]}`, `{"a": [{"numeric": [">", "1"]}]}`, `{"a": [{"numeric": [">", 1e999999]}]}`, `{"a": [{"anything-but": []}]}`,
		`{"a": [{"anything-but": [true]}]}`, `{"a": [{"anything-but": {"numeric": ["=", 1]}}]}`, `{"a": [{"prefix": 1}]}`, `{"a": [{"cidr": "x"}]}`,
		`{"$or": [{"a": [1]}]}`, `{"a": [1]} x`, `{"a": [{"prefix": "x", "suffix": "y"}]}`} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzPattern(f *testing.F) {
	f.Add(`{"a": [{"wildcard": "x*y"}]}`, `{"a": "xzy"}`)
	f.Add(`{"$or": [{"a": [1]}, {"b": [{"numeric": [">=", 1e9]}]}]}`, `{"b": [1e10, {"c": null}]}`)
	f.Fuzz(func(t *testing.T, text, event string) {
		if p, err := parsePattern(text); err == nil {
			(filters{p}).let([]byte(event))
		}
	})
}
