package insights

import (
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Query{
		`SELECT AVG(CPUUtilization) FROM "AWS/EC2"`: {Function: "AVG", Metric: "CPUUtilization", Namespace: "AWS/EC2", Limit: maxSeries},
		`select max("Max Size") from schema(shop, Host, "The Route") where Host = 'a b' and Route != '' group by Host, "The Route" order by max() desc limit 3`: {
			Function: "MAX", Metric: "Max Size", Namespace: "shop", Schema: true, Labels: []string{"Host", "The Route"},
			Where: []Condition{{"Host", "a b", false}, {"Route", "", true}}, GroupBy: []string{"Host", "The Route"}, OrderBy: "MAX", Limit: 3},
		"SELECT COUNT(a)\nFROM b ORDER BY SUM()":   {Function: "COUNT", Metric: "a", Namespace: "b", OrderBy: "SUM", Ascending: true, Limit: maxSeries},
		"SELECT MIN(a) FROM b ORDER BY SUM() ASC ": {Function: "MIN", Metric: "a", Namespace: "b", OrderBy: "SUM", Ascending: true, Limit: maxSeries},
	} {
		if !Is(text) {
			t.Errorf("%s is no query", text)
		}
		got, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestWrong(t *testing.T) {
	for _, text := range []string{"", "SELECT", "SELECT a FROM b", "SELECT STDDEV(a) FROM b", "SELECT SUM(a)", "SELECT SUM(a) FROM", "SELECT SUM() FROM b",
		"SELECT SUM(a) FROM SCHEMA(", "SELECT SUM(a) FROM b WHERE", "SELECT SUM(a) FROM b WHERE c = d", "SELECT SUM(a) FROM b WHERE c > 'd'",
		"SELECT SUM(a) FROM b GROUP c", "SELECT SUM(a) FROM b ORDER BY a", "SELECT SUM(a) FROM b LIMIT 0", "SELECT SUM(a) FROM b LIMIT 501",
		"SELECT SUM(a) FROM b LIMIT 1 2", "SELECT SUM(a) FROM 'b'", "SELECT SUM(a) FROM b WHERE c = 'd", "SELECT SUM(a) FROM b GROUP BY c,"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s was understood", text)
		}
	}
	if Is("SELECTED + 1") || Is("m1") || Is("") {
		t.Error("what is no query was taken for one")
	}
}

func TestMatch(t *testing.T) {
	dims := map[string]string{"Host": "a", "Route": "/"}
	value := func(l string) (string, bool) { v, ok := dims[l]; return v, ok }
	for text, want := range map[string]bool{
		"SELECT SUM(m) FROM n":                             true,
		"SELECT SUM(m) FROM other":                         false,
		"SELECT SUM(x) FROM n":                             false,
		"SELECT SUM(m) FROM SCHEMA(n, Host, Route)":        true,
		"SELECT SUM(m) FROM SCHEMA(n, Host)":               false,
		"SELECT SUM(m) FROM n WHERE Host = 'a'":            true,
		"SELECT SUM(m) FROM n WHERE Host != 'a'":           false,
		"SELECT SUM(m) FROM n WHERE Other != 'a'":          true,
		"SELECT SUM(m) FROM n WHERE Other = 'a'":           false,
		"SELECT SUM(m) FROM n GROUP BY Other":              false,
		"SELECT SUM(m) FROM n WHERE Namespace = 'n'":       true,
		"SELECT SUM(m) FROM n WHERE Host='a' AND Route=''": false,
	} {
		q, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if got := q.Match("n", "m", []string{"Host", "Route"}, value); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`SELECT MAX("Max Size") FROM SCHEMA(shop, Host) WHERE Host = 'a b' AND Route != '' GROUP BY Host ORDER BY MAX() DESC LIMIT 3`)
	f.Add("select sum(a) from b order by sum()")
	f.Fuzz(func(t *testing.T, s string) {
		if q, err := Parse(s); err == nil {
			q.Match("n", "m", nil, func(string) (string, bool) { return "", false })
		}
	})
}
