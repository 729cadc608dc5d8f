package s3

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// A formPolicy is what the owner of a bucket lets a form upload.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
type formPolicy struct {
	expires    time.Time
	conditions []formCondition
	least      int64 // of bytes
	most       int64 // -1 for no bound
}

// A formCondition is one of "eq" and "starts-with" on a field.
type formCondition struct {
	op, field, value string
}

func invalidPolicy(what string) error {
	return aws.Errorf(400, "InvalidPolicyDocument", "Invalid Policy: %s", what)
}

func againstPolicy(what string) error {
	return aws.Errorf(403, "AccessDenied", "Invalid according to Policy: %s", what)
}

// parseFormPolicy reads a policy as forms carry it: JSON in base64.
func parseFormPolicy(text string) (*formPolicy, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == ' ' {
			return -1
		}
		return r
	}, text))
	if err != nil {
		return nil, invalidPolicy("Invalid Base64.")
	}
	var doc struct {
		Expiration *string           `json:"expiration"`
		Conditions []json.RawMessage `json:"conditions"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return nil, invalidPolicy("Invalid JSON.")
	}
	if doc.Expiration == nil {
		return nil, invalidPolicy("Policy missing expiration.")
	}
	if doc.Conditions == nil {
		return nil, invalidPolicy("Policy missing conditions.")
	}
	p := &formPolicy{most: -1}
	if p.expires, err = time.Parse(time.RFC3339, *doc.Expiration); err != nil {
		return nil, invalidPolicy("Invalid 'expiration' value: '" + *doc.Expiration + "'")
	}
	for _, c := range doc.Conditions {
		if err := p.condition(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// condition reads {"acl": "private"}, ["starts-with", "$key", "user/"] or
// ["content-length-range", 1, 10].
func (p *formPolicy) condition(raw json.RawMessage) error {
	var pairs map[string]any
	if json.Unmarshal(raw, &pairs) == nil {
		if len(pairs) != 1 {
			return invalidPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for field, v := range pairs {
			value, ok := v.(string)
			if !ok {
				return invalidPolicy("Invalid Simple-Condition: value must be a string.")
			}
			p.conditions = append(p.conditions, formCondition{"eq", strings.ToLower(strings.TrimPrefix(field, "$")), value})
		}
		return nil
	}
	var list []any
	if json.Unmarshal(raw, &list) != nil || len(list) != 3 {
		return invalidPolicy("Invalid Condition: wrong number of arguments.")
	}
	op, _ := list[0].(string)
	switch op = strings.ToLower(op); op {
	case "content-length-range":
		least, ok := wholeNumber(list[1])
		most, also := wholeNumber(list[2])
		if !ok || !also || least < 0 {
			return invalidPolicy("Invalid content-length-range: start and end must be numbers.")
		}
		p.least, p.most = max(p.least, least), most
		return nil
	case "eq", "starts-with":
		field, ok := list[1].(string)
		value, also := list[2].(string)
		if !ok || !also || !strings.HasPrefix(field, "$") {
			return invalidPolicy("Invalid Condition: '" + op + "' takes a field and a value.")
		}
		p.conditions = append(p.conditions, formCondition{op, strings.ToLower(field[1:]), value})
		return nil
	}
	return invalidPolicy("Invalid Condition: unknown operation '" + op + "'.")
}

func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case float64:
		return int64(v), v == float64(int64(v))
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// free are the fields that no condition needs to name.
func free(field string) bool {
	switch field {
	case "policy", "x-amz-signature", "signature", "awsaccesskeyid", "file", "submit":
		return true
	}
	return strings.HasPrefix(field, "x-ignore-")
}

// check holds a form's fields, by names in lower case, against the policy. Asked is the
// key before a file's name came into it.
func (p *formPolicy) check(form url.Values, bucketName, asked string, now time.Time) error {
	if !now.Before(p.expires) {
		return againstPolicy("Policy expired.")
	}
	named := map[string]bool{}
	for _, c := range p.conditions {
		named[c.field] = true
		value := form.Get(c.field)
		if c.field == "bucket" {
			value = bucketName
		}
		ok := value == c.value || c.field == "key" && asked == c.value
		if c.op == "starts-with" {
			ok = startsWith(c, value)
		}
		if !ok {
			text, _ := json.Marshal([]string{c.op, "$" + c.field, c.value})
			return againstPolicy("Policy Condition failed: " + strings.ReplaceAll(string(text), ",", ", "))
		}
	}
	for field := range form {
		if !named[field] && !free(field) && field != "bucket" {
			return againstPolicy("Extra input fields: " + field)
		}
	}
	return nil
}

// startsWith looks, in a list of content types, at each.
func startsWith(c formCondition, value string) bool {
	if c.field != "content-type" {
		return strings.HasPrefix(value, c.value)
	}
	for one := range strings.SplitSeq(value, ",") {
		if !strings.HasPrefix(strings.TrimSpace(one), c.value) {
			return false
		}
	}
	return true
}
