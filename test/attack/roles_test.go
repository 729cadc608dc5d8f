package attack

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

const toLambda = `{"Service":"lambda.amazonaws.com"}`

// A role is assumed where both its trust policy and, across accounts, the caller's own
// policy say so.
func TestRoleOfAnotherAccount(t *testing.T) {
	t.Parallel()
	prod, poc, stranger := owner(t), owner(t), owner(t)
	poc.table("replica")
	role := poc.role("writer", trust(`{"AWS":"`+prod.account+`"}`), allow("dynamodb:PutItem", "*"))
	function := prod.user("may", allow("sts:AssumeRole", role))
	works(t, "who may", must(function.assume(role))(t).put("replica", "good"))
	for name, p := range map[string]*party{
		"without sts:AssumeRole":         prod.user("nothing"),
		"with sts:AssumeRole on another": prod.user("another", allow("sts:AssumeRole", role+"2")),
		"with a deny":                    prod.user("denied", everything, deny("sts:*", "*")),
		"another account's root":         stranger,
		"another account's user":         stranger.user("ann", everything),
		"the role's own account's user":  poc.user("ann", everything),
	} {
		_, err := p.assume(role)
		denied(t, name, err, "sts:AssumeRole")
	}
	for _, other := range []string{role[:len(role)-1], strings.Replace(role, "writer", "Writer", 1), role + "/x", strings.Replace(role, "role/", "role/x/", 1),
		strings.Replace(role, "writer", "*", 1), strings.Replace(role, poc.account, "*", 1)} {
		if _, err := function.assume(other); err == nil {
			t.Errorf("assumed %s", other)
		}
	}
	must(poc.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("writer"), PolicyDocument: document(trust(`{"AWS":"` + stranger.account + `"}`))}))(t)
	_, err := function.assume(role)
	denied(t, "without the trust", err, "sts:AssumeRole")
	poc.holds("replica", 2)
}

// A vendor who may assume its customers' roles cannot be led to another's: the customer
// asks for the external id that the vendor keeps for it alone.
func TestConfusedDeputyWithoutExternalID(t *testing.T) {
	t.Parallel()
	vendor, customer := owner(t), owner(t)
	role := customer.role("audited", trust(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"sts:ExternalId":"customer-1"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::`+vendor.account+`:user/*"}}`))
	deputy := vendor.user("deputy", allow("sts:AssumeRole", "*"))
	id := func(v string) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.ExternalId = &v }
	}
	_, err := deputy.assume(role, id("customer-1"))
	works(t, "with the customer's id", err)
	_, err = deputy.assume(role)
	denied(t, "without an id", err, "sts:AssumeRole")
	for _, v := range []string{"customer-2", "CUSTOMER-1", "customer-1,customer-1"} {
		_, err = deputy.assume(role, id(v))
		denied(t, v, err, "sts:AssumeRole")
	}
	other := owner(t).user("other", everything)
	_, err = other.assume(role, id("customer-1"))
	denied(t, "somebody with the right id", err, "sts:AssumeRole")
}

// A role that trusts everybody is open to who has its own account's word, and no one
// may be trusted by leaving a condition out of the request.
func TestWildcardTrust(t *testing.T) {
	t.Parallel()
	a, b := owner(t), owner(t)
	open := a.role("open", trust(`{"AWS":"*"}`))
	guarded := a.role("guarded", trust(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-example123"}}`))
	tagged := a.role("tagged", trust(`{"AWS":"*"}`, `,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"red"}}`))
	_, err := b.user("nothing").assume(open)
	denied(t, "another account's user without a policy", err, "sts:AssumeRole")
	ann := b.user("ann", everything)
	_, err = ann.assume(open)
	works(t, "as it says, everybody with a policy", err)
	_, err = ann.assume(guarded)
	denied(t, "of no organization", err, "sts:AssumeRole")
	_, err = ann.assume(tagged)
	denied(t, "without the tag", err, "sts:AssumeRole")
	_, err = ann.assume(tagged, func(in *sts.AssumeRoleInput) {
		in.Tags = []ststypes.Tag{{Key: aws.String("team"), Value: aws.String("red")}}
	})
	denied(t, "with the tag that the caller asks for", err, "sts:AssumeRole")
	_, err = ann.assume(open, func(in *sts.AssumeRoleInput) {
		in.Tags = []ststypes.Tag{{Key: aws.String("team"), Value: aws.String("red")}}
	})
	denied(t, "tags without sts:TagSession in the trust", err, "sts:TagSession")
}

// What a session is narrowed to, it stays narrowed to, also down a chain of roles.
func TestSessionPolicyCannotWiden(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	role := a.role("reader", trust(`{"AWS":"`+a.account+`"}`), allow("dynamodb:GetItem", "*"))
	next := a.role("next", trust(`{"AWS":"`+role+`"}`), allow("dynamodb:*", "*"))
	ann := a.user("ann", allow("sts:AssumeRole", "*"))
	narrow := func(statements ...string) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.Policy = document(statements...) }
	}
	wide := must(ann.assume(role, narrow(everything)))(t)
	works(t, "what the role may", wide.get("things"))
	denied(t, "what the session policy allows and the role does not", wide.put("things", "x"), "no identity-based policy allows the dynamodb:PutItem action")
	small := must(ann.assume(role, narrow(allow("dynamodb:PutItem", "*"))))(t)
	denied(t, "what the role allows and the session policy does not", small.get("things"), "no session policy allows the dynamodb:GetItem action")
	denied(t, "what only the session policy allows", small.put("things", "x"), "dynamodb:PutItem")
	_, err := small.assume(next)
	denied(t, "from a narrow session to another role", err, "no session policy allows the sts:AssumeRole action")
	_, err = small.assume(role)
	if err == nil {
		t.Error("a narrow session gets a wide one of its own role")
	}
	none := must(ann.assume(role, func(in *sts.AssumeRoleInput) {
		in.PolicyArns = []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")}}
	}))(t)
	denied(t, "an administrator's policy on the session", none.put("things", "x"), "dynamodb:PutItem")
	a.holds("things", 1)
}

// Chained sessions live an hour at most, and none is longer than its role says.
func TestLongSessions(t *testing.T) {
	t.Parallel()
	a := owner(t)
	one := a.role("one", trust(`{"AWS":"`+a.account+`"}`), allow("sts:AssumeRole", "*"))
	two := a.role("two", trust(`{"AWS":"`+a.account+`"}`))
	ann := a.user("ann", allow("sts:AssumeRole", "*"))
	long := func(d time.Duration) func(*sts.AssumeRoleInput) {
		return func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(int32(d.Seconds())) }
	}
	_, err := ann.assume(one, long(2*time.Hour))
	refused(t, "longer than the role's hour", err, "ValidationError", "MaxSessionDuration")
	must(a.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("two"), MaxSessionDuration: aws.Int32(12 * 3600)}))(t)
	_, err = must(ann.assume(one))(t).assume(two, long(2*time.Hour))
	refused(t, "a chain of two hours", err, "ValidationError", "1 hour")
}

// A federated user has what both its user and its session policies allow, cannot touch
// IAM, and cannot ask for more.
func TestFederatedTokenEscalation(t *testing.T) {
	t.Parallel()
	a := owner(t)
	a.table("things")
	role := a.role("admin", trust(`{"AWS":"`+a.account+`"}`), everything)
	ann := a.user("ann", allow("dynamodb:GetItem sts:* iam:*", "*"))
	fed := func(policy *string) *party {
		out := must(ann.sts.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("guest"), Policy: policy}))(t)
		return ann.session(a.account, out.Credentials)
	}
	wide, bare := fed(document(everything)), fed(nil)
	works(t, "what both allow", wide.get("things"))
	denied(t, "what the user may not", wide.put("things", "x"), "dynamodb:PutItem")
	denied(t, "without a session policy", bare.get("things"), "no session policy allows")
	for name, err := range map[string]error{
		"IAM":                second(wide.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("eve")})),
		"a key for its user": second(wide.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("ann")})),
		"a role":             second(wide.assume(role)),
		"a session token":    second(wide.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{})),
		"another federation": second(wide.sts.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("root"), Policy: document(everything)})),
	} {
		denied(t, name, err, "")
	}
	if who, err := wide.whoami(); err != nil || who != "arn:aws:sts::"+a.account+":federated-user/guest" {
		t.Errorf("%s %v", who, err)
	}
	a.holds("things", 1)
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }

// Credentials of GetSessionToken without MFA do not reach IAM, nor roles' or further
// tokens.
func TestSessionTokenReach(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", everything)
	s := ann.session(a.account, must(ann.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{}))(t).Credentials)
	denied(t, "IAM", second(s.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("eve")})), "")
	denied(t, "a token from a token", second(s.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{})), "")
	denied(t, "a federation from a token", second(s.sts.GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("guest")})), "")
	_, err := s.whoami()
	works(t, "who it is", err)
}

// Who was deleted is trusted no more, and who takes the name later is somebody else.
func TestRecreatedPrincipal(t *testing.T) {
	t.Parallel()
	a := owner(t)
	ann := a.user("ann", allow("sts:AssumeRole", "*"))
	role := a.role("r", trust(`{"AWS":"`+a.arn("iam", "user/ann")+`"}`))
	_, err := ann.assume(role)
	works(t, "the first ann", err)
	name := aws.String("ann")
	must(a.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: name, PolicyName: aws.String("own")}))(t)
	must(a.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: name, AccessKeyId: &ann.key.AccessKeyID}))(t)
	must(a.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name}))(t)
	_, err = a.user("ann").assume(role)
	denied(t, "the second ann", err, "sts:AssumeRole")
}
