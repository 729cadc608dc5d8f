package policy

import "strings"

// principal checks who is named: nobody in policies on identities, somebody in
// policies on resources.
func (v *validator) principal(s *Statement) {
	kind := v.rules.Kind
	if !kind.onResource() {
		if s.Principals != nil {
			v.fail(s.Offset, "Policy document should not specify a principal.")
		}
		return
	}
	switch {
	case len(s.Principals) == 0:
		v.fail(s.Offset, "Missing required field Principal")
	case s.NotPrincipal && kind == Trust:
		v.fail(s.Offset, "Has prohibited field NotPrincipal")
	case s.NotPrincipal && s.Effect == Allow:
		v.fail(s.Offset, "Allow with NotPrincipal is not allowed.")
	}
	for _, p := range s.Principals {
		if !validPrincipal(p) {
			v.fail(s.Offset, `Invalid principal in policy: "`+p.Type+`":"`+p.Value+`"`)
		}
	}
}

// validPrincipal checks a principal's form; whether it exists is the caller's to know.
func validPrincipal(p PrincipalEntry) bool {
	switch p.Type {
	case "Service":
		return p.Value != "" && !strings.ContainsAny(p.Value, " /:")
	case "Federated":
		return p.Value != "" && p.Value != "*"
	case "CanonicalUser":
		return p.Value != ""
	}
	if p.Value == "*" || isAccountID(p.Value) {
		return true
	}
	if a, ok := splitARN(p.Value); ok {
		account := isAccountID(a[4]) || a[4] == "cloudfront" // an origin access identity
		return (a[2] == "iam" || a[2] == "sts") && account && a[5] != "" && !strings.ContainsAny(a[5], "*?")
	}
	// A unique id: AIDA…, AROA….
	return p.Value != "" && strings.Trim(p.Value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" && len(p.Value) >= 16
}

func (v *validator) action(s *Statement) {
	if len(s.Actions) == 0 {
		v.fail(s.Offset, "Policy statement must contain actions.")
	}
}

func (v *validator) resource(s *Statement) {
	if v.rules.Kind == Trust {
		if s.Resources != nil {
			v.fail(s.Offset, "Has prohibited field Resource")
		}
		return
	}
	if len(s.Resources) == 0 {
		v.fail(s.Offset, "Policy statement must contain resources.")
	}
}

func (v *validator) actions(s *Statement) {
	for _, a := range s.Actions {
		vendor, _, found := strings.Cut(a, ":")
		switch {
		case a == "*":
		case !found:
			v.fail(s.Offset, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
		case strings.Count(a, ":") > 1:
			v.fail(s.Offset, "Actions/Condition can contain only one colon.")
		case !validVendor(vendor):
			v.fail(s.Offset, "Vendor "+vendor+" is not valid")
		}
		if v.rules.Kind == Trust && !trustAction(a) {
			v.fail(s.Offset, "AssumeRole policy may only specify STS AssumeRole actions.")
		}
	}
}

// trustAction reports whether an action, maybe with wildcards, may stand in a
// role's trust policy.
func trustAction(a string) bool {
	if !strings.HasPrefix(lowerASCII(a), "sts:") {
		return false
	}
	p := compilePattern(a, patternRules{wildcards: true, fold: true})
	for _, action := range [...]string{"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity",
		"sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"} {
		if ok, _ := p.match(action, nil); ok {
			return true
		}
	}
	return false
}

func validVendor(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := lower(s[i]); (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return s != ""
}

// resources checks the form of what a policy names: an ARN or "*".
func (v *validator) resources(s *Statement) {
	for _, r := range s.Resources {
		if message := resourceFault(r); message != "" {
			v.fail(s.Offset, message)
		}
	}
}

const iamPaths = "user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/"

// resourceFault says what is wrong with a resource, in AWS's words; empty if
// nothing is. AWS reads whatever has a colon as an ARN and takes missing parts
// for "*".
func resourceFault(r string) string {
	if r == "*" {
		return ""
	}
	if !strings.Contains(r, ":") {
		return "Resource " + r + ` must be in ARN format or "*".`
	}
	parts := splitARNPattern(r)
	if !strings.HasPrefix(parts[1], "aws") && parts[1] != "*" && !strings.HasPrefix(parts[1], "${") {
		return `Partition "` + parts[1] + `" is not valid for resource "arn:` + strings.Join(parts[1:], ":") + `".`
	}
	given := strings.Count(r, ":")
	switch service := parts[2]; {
	case given == 1:
		return "Resource vendor must be fully qualified and cannot contain regexes."
	case service == "":
		return legacyMessage
	case given < 3:
		return ""
	case service == "iam" && parts[3] != "" && parts[3] != "*":
		return "IAM resource " + r + " cannot contain region information."
	case service == "s3" && parts[3] != "" && parts[3] != "*":
		return "Resource " + r + " can not contain region information."
	case service == "s3" && given == 4:
		return legacyMessage
	case service == "iam" && given >= 5 && !validIAMPath(parts[5]):
		return `IAM resource path must either be "*" or start with ` + iamPaths + "."
	}
	return ""
}

func validIAMPath(path string) bool {
	if path == "root" || strings.HasPrefix(path, "*") || strings.HasPrefix(path, "${") {
		return true
	}
	for _, prefix := range strings.Split(iamPaths, ", ") {
		if strings.HasPrefix(path, prefix) || strings.HasSuffix(path, "*") && strings.HasPrefix(prefix, strings.TrimSuffix(path, "*")) {
			return true
		}
	}
	return false
}
