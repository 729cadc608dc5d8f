package wire

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tule-cloud/tule/aws"
)

type keyElement struct {
	_             struct{} `aws:"KeySchemaElement"`
	AttributeName *string  `aws:"AttributeName,required" check:"len:1..255"`
	KeyType       *string  `aws:"KeyType" check:"enum:HASH|RANGE"`
}

type checkedInput struct {
	TableName *string                 `aws:"TableName,required" check:"len:3..10 match:\"[a-zA-Z0-9_.-]+\""`
	Limit     *int32                  `aws:"max-items,query" check:"range:1.."`
	Rate      *float64                `aws:"Rate" check:"range:0.5..2"`
	KeySchema []keyElement            `aws:"KeySchema" check:"len:1..2"`
	Names     []string                `aws:"Names" check:"len:..3 [len:2..5 match:\"\\\\S+\" src:\"\\\\p{Graph}+\"]"`
	Archs     []string                `aws:"Archs" check:"[enum:x86_64|arm64]"`
	Tags      map[string]string       `aws:"Tags" check:"[len:..4] {len:2..3}"`
	Tables    map[string]keyElement   `aws:"Tables"`
	Batches   map[string][]keyElement `aws:"Batches" check:"[len:1..]"`
	Password  *string                 `aws:"Password,sensitive" check:"len:8.."`
	Data      []byte                  `aws:"Data" check:"len:..2"`
	When      *time.Time              `aws:"When"`
	Nested    *keyElement             `aws:"Nested"`
	Grid      [][]string              `aws:"Grid" check:"[len:1.. [len:1..]]"`
	Sparse    []*string               `aws:"Sparse" check:"[len:2..]"`
}

var checkedOp = &aws.Operation{Name: "Check", Service: &aws.Service{Invalid: "InvalidInput"}}

func str(s string) *string { return &s }

// good is an input that satisfies its model.
func good() *checkedInput { return &checkedInput{TableName: str("movies")} }

func TestValidate(t *testing.T) {
	zero, fast := int32(0), 2.5
	for name, c := range map[string]struct {
		change func(*checkedInput)
		want   string
	}{
		"nothing wrong": {func(in *checkedInput) {}, ""},
		"required": {func(in *checkedInput) { in.TableName = nil },
			"Value null at 'tableName' failed to satisfy constraint: Member must not be null"},
		"length and pattern": {func(in *checkedInput) { in.TableName = str("é") },
			"Value 'é' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3; " +
				"Value 'é' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		"characters, not bytes": {func(in *checkedInput) { in.Names = []string{"ééééé"} }, ""},
		"whole match": {func(in *checkedInput) { in.TableName = str("abc\n") },
			"Value 'abc\n' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		"range": {func(in *checkedInput) { in.Limit = &zero },
			"Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		"range of floats": {func(in *checkedInput) { in.Rate = &fast },
			"Value '2.5' at 'rate' failed to satisfy constraint: Member must have value less than or equal to 2"},
		"members of elements": {func(in *checkedInput) { in.KeySchema = []keyElement{{AttributeName: str("a")}, {KeyType: str("X")}} },
			"Value null at 'keySchema.2.member.attributeName' failed to satisfy constraint: Member must not be null; " +
				"Value 'X' at 'keySchema.2.member.keyType' failed to satisfy constraint: Member must satisfy enum value set: [HASH, RANGE]"},
		"empty list": {func(in *checkedInput) { in.KeySchema = []keyElement{} },
			"Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"list printed": {func(in *checkedInput) { in.KeySchema = make([]keyElement, 3); in.KeySchema[0].AttributeName = str("a") },
			"Value '[KeySchemaElement(attributeName=a, keyType=null), KeySchemaElement(attributeName=null, keyType=null), " +
				"KeySchemaElement(attributeName=null, keyType=null)]' at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2; " +
				"Value null at 'keySchema.2.member.attributeName' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'keySchema.3.member.attributeName' failed to satisfy constraint: Member must not be null"},
		"elements": {func(in *checkedInput) { in.Names = []string{"ok", "x"} },
			"Value '[ok, x]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 5, " +
				`Member must have length greater than or equal to 2, Member must satisfy regular expression pattern: \p{Graph}+]`},
		"enum of elements": {func(in *checkedInput) { in.Archs = []string{"mips"} },
			"Value '[mips]' at 'archs' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64]]"},
		"map keys and values": {func(in *checkedInput) { in.Tags = map[string]string{"k": "value", "ok": "v"} },
			"Value '{k=value, ok=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: " +
				"[Member must have length less than or equal to 3, Member must have length greater than or equal to 2]; " +
				"Value '{k=value, ok=v}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 4]"},
		"members of map values": {func(in *checkedInput) { in.Tables = map[string]keyElement{"t": {}} },
			"Value null at 'tables.t.member.attributeName' failed to satisfy constraint: Member must not be null"},
		"lists in maps": {func(in *checkedInput) { in.Batches = map[string][]keyElement{"a": {}, "t": {{}}} },
			"Value '[]' at 'batches.a.member' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value null at 'batches.t.member.1.member.attributeName' failed to satisfy constraint: Member must not be null"},
		"sensitive": {func(in *checkedInput) { in.Password = str("secret") },
			"Value at 'password' failed to satisfy constraint: Member must have length greater than or equal to 8"},
		"blob": {func(in *checkedInput) { in.Data = []byte("abc") },
			"Value 'java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 2"},
		"nested": {func(in *checkedInput) { in.Nested = &keyElement{AttributeName: str("")} },
			"Value '' at 'nested.attributeName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"lists in lists": {func(in *checkedInput) { in.Grid = [][]string{{"a"}, {}} },
			"Value '[]' at 'grid.2.member' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		"null in a sparse list": {func(in *checkedInput) { in.Sparse = []*string{nil, str("ab")} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := good()
			c.change(in)
			err := Validate(checkedOp, in)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			n := strings.Count(c.want, "failed to satisfy")
			prefix := "1 validation error detected: "
			if n > 1 {
				prefix = string(rune('0'+n)) + " validation errors detected: "
			}
			e, ok := err.(*aws.Error)
			if !ok || e.Code != "InvalidInput" || e.Status != 400 || e.Message != prefix+c.want {
				t.Errorf("got  %v\nwant %s%s", err, prefix, c.want)
			}
		})
	}
}

// No input makes an answer that is longer than ten times what is shown of a value.
func TestValidateBounded(t *testing.T) {
	in := good()
	for range 5000 {
		in.KeySchema = append(in.KeySchema, keyElement{AttributeName: str(strings.Repeat("x", 300))})
	}
	e := Validate(checkedOp, in).(*aws.Error)
	if len(e.Message) > 10*(maxShownValue+400) || !strings.HasPrefix(e.Message, "10 validation errors") {
		t.Errorf("%d bytes: %.80s", len(e.Message), e.Message)
	}
}

func TestParseCheck(t *testing.T) {
	c := parseCheck(`len:1.. enum:a b|c match:"x] {" [range:..5 [enum:q]] {match:"k" src:"K"}`)
	if *c.min != 1 || c.max != nil || len(c.enum) != 2 || c.enum[0] != "a b" || c.match != "x] {" || c.src != "x] {" {
		t.Errorf("outer %+v", c)
	}
	if !c.elem.number || *c.elem.max != 5 || c.elem.elem.enum[0] != "q" || c.key.match != "k" || c.key.src != "K" {
		t.Errorf("inner %+v, %+v", c.elem, c.key)
	}
	for _, bad := range []string{"len:1", "len:a..", "what", "[len:1..", "match:x"} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was read", bad)
				}
			}()
			parseCheck(bad)
		}()
	}
}

// TestMissing: a service may have an error of its own for what is not there.
func TestMissing(t *testing.T) {
	type input struct {
		Name *string `aws:"QueueUrl,required"`
		Size *int32  `aws:"Size" check:"range:1..2"`
	}
	op := &aws.Operation{Service: &aws.Service{Invalid: "InvalidParameterValue", Missing: "MissingRequiredParameterException", MissingQuery: "MissingParameter"}}
	var e *aws.Error
	if err := Validate(op, &input{Size: num(3)}); !errors.As(err, &e) || e.Code != "MissingRequiredParameterException" || e.QueryCode != "MissingParameter" ||
		e.Message != "The request must contain the parameter Name." {
		t.Errorf("%v", err)
	}
	if err := Validate(op, &input{Name: str("a"), Size: num(3)}); aws.CodeOf(err) != "InvalidParameterValue" {
		t.Errorf("%v", err)
	}
}

// TestMissingInXML shows that a document of a service of XML which lacks something is one
// that breaks its schema.
func TestMissingInXML(t *testing.T) {
	op := &aws.Operation{Name: "Check", Service: &aws.Service{Invalid: "InvalidArgument", Malformed: "MalformedXML", Protocols: []aws.Protocol{aws.RestXML}}}
	in := good()
	in.Nested = &keyElement{}
	if err := Validate(op, in); aws.CodeOf(err) != "MalformedXML" {
		t.Errorf("within a document: %v", err)
	}
	if err := Validate(op, &checkedInput{}); aws.CodeOf(err) != "InvalidArgument" {
		t.Errorf("beside a document: %v", err)
	}
}
