// Package policy is the language in which AWS says who may do what: it parses,
// checks, compiles, evaluates and explains IAM policy documents. It knows the
// language and the evaluation logic, and no AWS service: actions, resources and
// condition keys are strings to it.
//
// A document goes through four steps, each of its own:
//
//	doc, err := policy.Parse(text)              // grammar, with line and column
//	err = doc.Validate(policy.Identity, limits) // what this kind of document may say
//	compiled := policy.Compile(doc)             // once; immutable, safe to share
//	d := policy.Evaluate(&req, &set)            // any number of times, no allocation
//
// Evaluate follows "Policy evaluation logic" in the IAM User Guide: an explicit
// deny anywhere wins; service control and resource control policies must allow on
// every level; in one account identity policies and resource policies add up,
// across accounts both must allow; permissions boundaries and session policies
// limit, except where a resource policy names the user or the session itself.
//
// What differs from AWS on purpose, always towards refusing:
//   - Where AWS leaves a case undefined (a policy variable that has no value, under
//     a negated test), an Allow does not apply and a Deny does.
//   - The value of a policy variable is literal: a '*' in it matches a '*' alone.
//   - NotPrincipal exempts a caller only when all of its names (account, role,
//     session) are listed, and NotPrincipal with Allow never applies.
//   - A member named twice in an object is a syntax error.
//   - A policy that is attached but could not be compiled denies everything.
package policy

// Versions of the language. Policy variables exist only in Version2012; a
// document without a Version is of Version2008.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// MaxDocument is the largest text that Parse reads, in bytes: the length IAM's
// own model allows for a policy document on the wire.
const MaxDocument = 131072
