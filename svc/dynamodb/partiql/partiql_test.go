package partiql

import (
	"strings"
	"testing"

	api "github.com/tule-cloud/tule/api/dynamodb"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/dynamodb/expression"
)

// Statements and what they become.
func TestParse(t *testing.T) {
	for _, c := range []struct{ statement, where, change string }{
		{`SELECT * FROM t`, "", ""},
		{`select a.b[0], "c d" from "t"."i" where "c d" = 1 and a.b[0] < -2.5e3`, "(#n0 = :v0) AND (#n1.#n2[0] < :v1)", ""},
		{`SELECT * FROM t WHERE a = 1 OR b = 2 AND NOT c = 3`, "((#n0 = :v0) OR ((#n1 = :v1) AND (NOT (#n2 = :v2))))", ""},
		{`SELECT * FROM t WHERE a NOT IN (1, 2) AND b NOT BETWEEN 1 AND 2`, "(NOT (#n0 IN (:v0, :v1))) AND (NOT (#n1 BETWEEN :v2 AND :v3))", ""},
		{`SELECT * FROM t WHERE a IS NULL AND b IS NOT MISSING AND attribute_type(a, 'S')`, "(attribute_type(#n0, :v0)) AND (attribute_exists(#n1)) AND (attribute_type(#n0, :v1))", ""},
		{`UPDATE t SET a = b + 1, c = list_append([1], c) REMOVE d[1] SET e = set_add(e, <<1>>) WHERE k = 'x'`, "(#n5 = :v3)", "SET #n0 = #n1 + :v0, #n2 = list_append(:v1, #n2) REMOVE #n3[1] ADD #n4 :v2"},
		{`DELETE FROM t WHERE k = {'a': [1, <<'x'>>], 'b': {}}`, "(#n0 = :v0)", ""},
	} {
		st, err := Parse(c.statement, nil)
		if err != nil {
			t.Errorf("%s: %v", c.statement, err)
			continue
		}
		if where := aws.Value(Condition(st.Where)); where != c.where {
			t.Errorf("%s: %s, want %s", c.statement, where, c.where)
		}
		if change := st.Change(); change != c.change {
			t.Errorf("%s: %s, want %s", c.statement, change, c.change)
		}
	}
}

// Refused are statements that DynamoDB's PartiQL does not know.
func TestRefused(t *testing.T) {
	for _, statement := range []string{"", "SELECT", "SELECT * FROM", "SELECT * FROM t WHERE a", "SELECT * FROM t WHERE a =", "SELECT * FROM t, u", "SELECT * FROM t JOIN u",
		"SELECT * FROM t WHERE a IN []", "INSERT INTO t VALUE 1", "INSERT INTO t VALUE {'a': 1, 'a': 2}", "UPDATE t WHERE a = 1", "UPDATE t SET a = set_add(b, <<1>>) WHERE c = 1",
		"DELETE FROM t RETURNING SOME OLD *", "SELECT * FROM t WHERE a = <<1, 'x'>>", "SELECT * FROM t; SELECT * FROM u", "SELECT * FROM t WHERE " + strings.Repeat("(", 100) + "a = 1",
		"EXISTS(SELECT * FROM t", "SELECT a[x] FROM t", "SELECT * FROM t WHERE a IS 5", "SELECT * FROM t WHERE 1 IS NULL", "SELECT é FROM t WHERE a = \x00"} {
		if _, err := Parse(statement, nil); aws.CodeOf(err) != "ValidationException" {
			t.Errorf("%q: %v", statement, err)
		}
	}
}

// FuzzParse looks for a statement that is not read, or refused, as it should be.
func FuzzParse(f *testing.F) {
	f.Add(`SELECT a.b[0] FROM "t"."i" WHERE a = ? AND begins_with(b, 'x') OR NOT c IS MISSING ORDER BY d DESC`)
	f.Add(`INSERT INTO t VALUE {'a': [1, <<'x'>>, {'b': NULL}], 'c': -1.5e3}`)
	f.Add(`UPDATE t SET a = a + 1 SET b = set_delete(b, <<1>>) REMOVE c WHERE k = 1 RETURNING MODIFIED NEW *`)
	f.Add(`EXISTS(SELECT * FROM t WHERE a BETWEEN 1 AND 2)`)
	f.Fuzz(func(t *testing.T, statement string) {
		st, err := Parse(statement, []api.AttributeValue{api.String("p")})
		if err != nil {
			if aws.CodeOf(err) != "ValidationException" {
				t.Error(err)
			}
			return
		}
		sc, err := expression.NewScope(st.Names(), st.Values())
		if err != nil {
			return
		}
		if text := Condition(st.Where); text != nil {
			_, err = sc.Condition(expression.ConditionExpression, *text)
		}
		if text := st.Change(); text != "" && err == nil {
			_, err = sc.Update(text)
		}
		if err != nil && aws.CodeOf(err) != "ValidationException" {
			t.Error(err)
		}
	})
}
