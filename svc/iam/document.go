package iam

import (
	"errors"
	"net/url"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/policy"
)

// Limits on documents, in characters without white space.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxManaged = 6144
	maxTrust   = 2048
)

var maxInline = map[kind]int{user: 2048, group: 5120, role: 10240}

// checkDocument holds a document to the rules of its place.
func checkDocument(text string, rules policy.Rules) error {
	rules.IgnoreSpace = true
	doc, err := policy.Parse(text)
	if err == nil {
		err = doc.Validate(rules)
	}
	var p *policy.Error
	if errors.As(err, &p) {
		if p.TooLarge {
			return api.LimitExceededException("%s", p.Message)
		}
		return api.MalformedPolicyDocumentException("%s", p.Message).Because(err)
	}
	return err
}

// checkTrust is checkDocument for a role's trust policy.
func checkTrust(text string) error {
	err := checkDocument(text, policy.Rules{Kind: policy.Trust, MaxSize: maxTrust})
	if isLimit(err) {
		return api.LimitExceededException("Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	return err
}

func isLimit(err error) bool { return errors.Is(err, api.LimitExceededException("")) }

// encode writes a document as answers carry it: percent-encoded.
func encode(document string) *string {
	out := strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
	return &out
}
