package policy

import "strings"

// arnParts are an ARN's six parts: "arn", partition, service, region, account and
// resource; the last may hold colons.
type arnParts [6]string

// splitARN cuts an ARN. It fails on what has fewer parts or does not begin with
// "arn:"; it does not look into the parts.
func splitARN(s string) (parts arnParts, ok bool) {
	if !strings.HasPrefix(s, "arn:") {
		return parts, false
	}
	for i := 0; i < 5; i++ {
		colon := strings.IndexByte(s, ':')
		if colon < 0 {
			return parts, false
		}
		parts[i], s = s[:colon], s[colon+1:]
	}
	parts[5] = s
	return parts, true
}

// splitARNPattern cuts a pattern for ARNs, in which a variable may hold colons of
// its own. Parts that are missing are "*", as in AWS's own reading.
func splitARNPattern(s string) (parts arnParts) {
	i, start := 0, 0
	for at := 0; at < len(s) && i < 5; at++ {
		if s[at] == '$' && strings.HasPrefix(s[at:], "${") {
			if end := variableEnd(s[at:]); end > 0 {
				at += end
			}
			continue
		}
		if s[at] == ':' {
			parts[i] = s[start:at]
			i, start = i+1, at+1
		}
	}
	parts[i] = s[start:]
	for i++; i < 6; i++ {
		parts[i] = "*"
	}
	return parts
}

func isAccountID(s string) bool {
	if len(s) != 12 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// accountOf is the account that owns a request's resource. Nothing known is
// nobody's account, so foreign to everybody.
func accountOf(r *Request) string {
	if r.ResourceAccount != "" {
		return r.ResourceAccount
	}
	if r.Resource == "*" {
		return r.Principal.AccountID
	}
	parts, ok := splitARN(r.Resource)
	switch {
	case !ok || parts[4] == "":
		return "unknown"
	case parts[4] == "aws": // AWS managed policies belong to whoever looks
		return r.Principal.AccountID
	}
	return parts[4]
}
