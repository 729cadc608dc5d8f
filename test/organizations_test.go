package test

import (
	"bufio"
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tule-cloud/tule/test/tule"
)

const (
	scpType = types.PolicyTypeServiceControlPolicy
	rcpType = types.PolicyTypeResourceControlPolicy
)

// company is an organization, by the account that manages it.
type company struct {
	*cloud
	*organizations.Client
	id, root string
}

func (c *cloud) organizations() *organizations.Client { return organizations.NewFromConfig(c.config) }

func newCompany(t testing.TB) *company {
	c := newCloud(t)
	o := &company{cloud: c, Client: c.organizations()}
	o.id = *must(o.CreateOrganization(ctx, &organizations.CreateOrganizationInput{}))(t).Organization.Id
	o.root = *must(o.ListRoots(ctx, &organizations.ListRootsInput{}))(t).Roots[0].Id
	return o
}

// member is the root of a new account of the company.
func (o *company) member(name string) *cloud {
	o.Helper()
	st := must(o.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: &name, Email: aws.String(name + "@" + o.account + ".example.com")}))(o).CreateAccountStatus
	if st.State != types.CreateAccountStateSucceeded {
		o.Fatalf("%s: %v", name, st.FailureReason)
	}
	return cloudAs(o, *st.AccountId, "", "", "")
}

func (o *company) enable(kind types.PolicyType) {
	o.Helper()
	must(o.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: &o.root, PolicyType: kind}))(o)
}

func (o *company) unit(name string) string {
	o.Helper()
	return *must(o.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{ParentId: &o.root, Name: &name}))(o).OrganizationalUnit.Id
}

func (o *company) bind(kind types.PolicyType, name, content, target string) string {
	o.Helper()
	id := must(o.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: kind, Name: &name, Description: aws.String(""), Content: &content}))(o).Policy.PolicySummary.Id
	must(o.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: id, TargetId: &target}))(o)
	return *id
}

func (o *company) move(account, from, to string) {
	o.Helper()
	must(o.MoveAccount(ctx, &organizations.MoveAccountInput{AccountId: &account, SourceParentId: &from, DestinationParentId: &to}))(o)
}

func (c *cloud) tables() error {
	_, err := c.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{})
	return err
}

// allowed checks that who may not be refused is not.
func allowed(t testing.TB, who string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", who, err)
	}
}

// A service control policy binds the root and the users of a member, from the next
// request on, and neither the management account nor other members.
func TestOrganizationsSCP(t *testing.T) {
	t.Parallel()
	o := newCompany(t)
	dev, ops := o.member("dev"), o.member("ops")
	ann := dev.user("ann", statement("Allow", "*", "*", ""))
	work := o.unit("work")
	o.enable(scpType)
	id := o.bind(scpType, "no tables", statement("Deny", "dynamodb:*", "*", ""), work)
	allowed(t, "a member outside of the unit", dev.tables())

	o.move(dev.account, o.root, work)
	const because = "with an explicit deny in a service control policy"
	refused(t, dev.tables(), "AccessDeniedException", because)
	refused(t, ann.tables(), "AccessDeniedException", because)
	allowed(t, "another member", ops.tables())
	allowed(t, "the management account", o.tables())
	must(ann.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)

	o.move(dev.account, work, o.root)
	allowed(t, "the root after the move", dev.tables())
	allowed(t, "the user after the move", ann.tables())

	// Each level must allow.
	o.move(dev.account, o.root, work)
	must(o.UpdatePolicy(ctx, &organizations.UpdatePolicyInput{PolicyId: &id, Content: aws.String(statement("Allow", "iam:*", "*", ""))}))(t)
	allowed(t, "the root under two policies", dev.tables())
	must(o.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: &work}))(t)
	refused(t, dev.tables(), "AccessDeniedException", "no service control policy allows")
	must(ann.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t)
	_, err := o.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: &id, TargetId: &work})
	if e := fails[*types.ConstraintViolationException](t, err, ""); e.Reason != types.ConstraintViolationExceptionReasonMinPolicyTypeAttachmentLimitExceeded {
		t.Errorf("reason %s", e.Reason)
	}
	must(o.DisablePolicyType(ctx, &organizations.DisablePolicyTypeInput{RootId: &o.root, PolicyType: scpType}))(t)
	allowed(t, "the root when no policy binds", dev.tables())
}

// assume has a caller assume a role.
func (c *cloud) assume(role string) error {
	_, err := c.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("guest")})
	return err
}

// A resource control policy keeps strangers from what a member would give them, and the
// management account is not bound.
func TestOrganizationsRCP(t *testing.T) {
	t.Parallel()
	o, stranger := newCompany(t), newCloud(t)
	dev := o.member("dev")
	open := func(c *cloud) string {
		return *must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("open"), AssumeRolePolicyDocument: trust(`"*"`)}))(t).Role.Arn
	}
	its, own := open(dev), open(o.cloud)
	o.enable(rcpType)
	allowed(t, "a stranger, before", stranger.assume(its))
	o.bind(rcpType, "members only", statement("Deny", "sts:AssumeRole", "*", `,"Principal":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"`+o.id+`"}}`), o.root)
	refused(t, stranger.assume(its), "AccessDenied", "with an explicit deny in a resource control policy")
	allowed(t, "a member", o.cloud.assume(its))
	allowed(t, "a stranger in the management account", stranger.assume(own))
}

// aws:PrincipalOrgID and aws:PrincipalOrgPaths let in exactly who is meant.
func TestOrganizationsConditions(t *testing.T) {
	t.Parallel()
	o, stranger := newCompany(t), newCloud(t)
	dev, ops := o.member("dev"), o.member("ops")
	work := o.unit("work")
	role := func(name, condition string) string {
		document := statement("Allow", "sts:AssumeRole", "", `,"Principal":"*","Condition":{`+condition+`}`)
		return *must(o.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &document}))(t).Role.Arn
	}
	all := role("all", `"StringEquals":{"aws:PrincipalOrgID":"`+o.id+`"}`)
	some := role("some", `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"`+o.id+`/*/`+work+`/*"}`)
	allowed(t, "dev", dev.assume(all))
	allowed(t, "ops", ops.assume(all))
	refused(t, stranger.assume(all), "AccessDenied", "sts:AssumeRole")
	refused(t, dev.assume(some), "AccessDenied", "sts:AssumeRole")
	o.move(dev.account, o.root, work)
	allowed(t, "dev in the unit", dev.assume(some))
	refused(t, ops.assume(some), "AccessDenied", "sts:AssumeRole")
	must(o.RemoveAccountFromOrganization(ctx, &organizations.RemoveAccountFromOrganizationInput{AccountId: &dev.account}))(t)
	refused(t, dev.assume(all), "AccessDenied", "sts:AssumeRole")
}

// Nothing of one account is another's, and the management account gets in by the role
// alone. A closed account is shut to all.
func TestOrganizationsAccountsAreApart(t *testing.T) {
	t.Parallel()
	o := newCompany(t)
	dev, ops := o.member("dev"), o.member("ops")
	dev.user("ann", "")
	equal(t, "the number of ops's users", len(must(ops.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users), 0)
	table := aws.String("arn:aws:dynamodb:" + region + ":" + dev.account + ":table/movies")
	_, err := ops.dynamo.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: table})
	refused(t, err, "AccessDeniedException", "is not authorized to perform: dynamodb:DescribeTable")

	role := "arn:aws:iam::" + dev.account + ":role/OrganizationAccountAccessRole"
	s := must(o.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("boss")}))(t).Credentials
	boss := cloudAs(t, dev.account, *s.AccessKeyId, *s.SecretAccessKey, *s.SessionToken)
	equal(t, "the number of dev's users", len(must(boss.iam.ListUsers(ctx, &iam.ListUsersInput{}))(t).Users), 1)
	refused(t, ops.assume(role), "AccessDenied", "is not authorized to perform: sts:AssumeRole")

	_, err = dev.organizations().ListAccounts(ctx, &organizations.ListAccountsInput{})
	fails[*types.AccessDeniedException](t, err, "You don't have permissions to access this resource.")
	must(o.CloseAccount(ctx, &organizations.CloseAccountInput{AccountId: &dev.account}))(t)
	got := must(o.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: &dev.account}))(t).Account
	equal(t, "the state", got.State, types.AccountStateSuspended)
	refused(t, dev.tables(), "AccessDeniedException", "no service control policy allows")
	refused(t, boss.tables(), "AccessDeniedException", "no service control policy allows")
	refused(t, o.cloud.assume(role), "AccessDenied", "sts:AssumeRole")
}

// What the organization's resource policy lets a member do, it does, and no more; what a
// delegated administrator reads.
func TestOrganizationsDelegation(t *testing.T) {
	t.Parallel()
	o := newCompany(t)
	dev := o.member("dev")
	its := dev.organizations()
	list := func() error {
		_, err := its.ListPolicies(ctx, &organizations.ListPoliciesInput{Filter: scpType})
		return err
	}
	make := func(kind types.PolicyType, content string) error {
		_, err := its.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: kind, Name: aws.String("n"), Description: aws.String(""), Content: &content})
		return err
	}
	fails[*types.AccessDeniedException](t, list(), "You don't have permissions to access this resource.")
	principal := `,"Principal":{"AWS":"arn:aws:iam::` + dev.account + `:root"}`
	document := statement("Allow", "organizations:CreatePolicy", "*", principal+`,"Condition":{"StringEquals":{"organizations:PolicyType":"SERVICE_CONTROL_POLICY"}}`)
	rp := must(o.PutResourcePolicy(ctx, &organizations.PutResourcePolicyInput{Content: &document}))(t).ResourcePolicy
	equal(t, "the policy", *must(o.DescribeResourcePolicy(ctx, &organizations.DescribeResourcePolicyInput{}))(t).ResourcePolicy.Content, document)
	allowed(t, "what the policy says", make(scpType, statement("Deny", "s3:*", "*", "")))
	refused(t, make(rcpType, statement("Deny", "s3:*", "*", `,"Principal":"*"`)), "AccessDeniedException", "organizations:CreatePolicy")
	refused(t, list(), "AccessDeniedException", "organizations:ListPolicies")
	must(o.DeleteResourcePolicy(ctx, &organizations.DeleteResourcePolicyInput{}))(t)
	_, err := o.TagResource(ctx, &organizations.TagResourceInput{ResourceId: rp.ResourcePolicySummary.Id, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}})
	fails[*types.TargetNotFoundException](t, err, "")

	service := aws.String("config.amazonaws.com")
	must(o.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: service}))(t)
	equal(t, "the trusted services", len(must(o.ListAWSServiceAccessForOrganization(ctx, &organizations.ListAWSServiceAccessForOrganizationInput{}))(t).EnabledServicePrincipals), 1)
	must(o.RegisterDelegatedAdministrator(ctx, &organizations.RegisterDelegatedAdministratorInput{AccountId: &dev.account, ServicePrincipal: service}))(t)
	allowed(t, "a delegated administrator", list())
	equal(t, "the administrators", len(must(its.ListDelegatedAdministrators(ctx, &organizations.ListDelegatedAdministratorsInput{}))(t).DelegatedAdministrators), 1)
	equal(t, "its services", len(must(its.ListDelegatedServicesForAccount(ctx, &organizations.ListDelegatedServicesForAccountInput{AccountId: &dev.account}))(t).DelegatedServices), 1)
	must(o.DeregisterDelegatedAdministrator(ctx, &organizations.DeregisterDelegatedAdministratorInput{AccountId: &dev.account, ServicePrincipal: service}))(t)
	must(o.DisableAWSServiceAccess(ctx, &organizations.DisableAWSServiceAccessInput{ServicePrincipal: service}))(t)
	fails[*types.AccessDeniedException](t, list(), "You don't have permissions to access this resource.")
}

// The tree, by paginators and one by one.
func TestOrganizationsTree(t *testing.T) {
	t.Parallel()
	o := newCompany(t)
	dev := o.member("dev")
	unit := o.unit("work")
	must(o.UpdateOrganizationalUnit(ctx, &organizations.UpdateOrganizationalUnitInput{OrganizationalUnitId: &unit, Name: aws.String("play")}))(t)
	got := must(o.DescribeOrganizationalUnit(ctx, &organizations.DescribeOrganizationalUnitInput{OrganizationalUnitId: &unit}))(t).OrganizationalUnit
	equal(t, "the unit's ARN", *got.Arn, "arn:aws:organizations::"+o.account+":ou/"+o.id+"/"+unit)
	equal(t, "the unit's name", *got.Name, "play")
	equal(t, "the units", len(must(o.ListOrganizationalUnitsForParent(ctx, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &o.root}))(t).OrganizationalUnits), 1)
	o.move(dev.account, o.root, unit)
	equal(t, "the parent", *must(o.ListParents(ctx, &organizations.ListParentsInput{ChildId: &dev.account}))(t).Parents[0].Id, unit)
	equal(t, "the child", *must(o.ListChildren(ctx, &organizations.ListChildrenInput{ParentId: &unit, ChildType: types.ChildTypeAccount}))(t).Children[0].Id, dev.account)
	equal(t, "the unit's account", *must(o.ListAccountsForParent(ctx, &organizations.ListAccountsForParentInput{ParentId: &unit}))(t).Accounts[0].Id, dev.account)
	n := 0
	for p := organizations.NewListAccountsPaginator(o, &organizations.ListAccountsInput{MaxResults: aws.Int32(1)}); p.HasMorePages(); {
		n += len(must(p.NextPage(ctx))(t).Accounts)
	}
	equal(t, "the accounts", n, 2)
	status := must(o.ListCreateAccountStatus(ctx, &organizations.ListCreateAccountStatusInput{States: []types.CreateAccountState{types.CreateAccountStateSucceeded}}))(t).CreateAccountStatuses
	equal(t, "the request's account", *must(o.DescribeCreateAccountStatus(ctx, &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: status[0].Id}))(t).CreateAccountStatus.AccountId, dev.account)

	must(o.TagResource(ctx, &organizations.TagResourceInput{ResourceId: &unit, Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("red")}}}))(t)
	equal(t, "the tag", *must(o.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: &unit}))(t).Tags[0].Value, "red")
	must(o.UntagResource(ctx, &organizations.UntagResourceInput{ResourceId: &unit, TagKeys: []string{"team"}}))(t)

	o.enable(scpType)
	id := o.bind(scpType, "p", statement("Deny", "s3:*", "*", ""), unit)
	equal(t, "the policy's name", *must(o.DescribePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: &id}))(t).Policy.PolicySummary.Name, "p")
	equal(t, "the unit's policies", len(must(o.ListPoliciesForTarget(ctx, &organizations.ListPoliciesForTargetInput{TargetId: &unit, Filter: scpType}))(t).Policies), 2)
	equal(t, "the policy's target", *must(o.ListTargetsForPolicy(ctx, &organizations.ListTargetsForPolicyInput{PolicyId: &id}))(t).Targets[0].TargetId, unit)
	equal(t, "the policies", len(must(o.ListPolicies(ctx, &organizations.ListPoliciesInput{Filter: scpType}))(t).Policies), 2)
	must(o.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: &id, TargetId: &unit}))(t)
	must(o.DeletePolicy(ctx, &organizations.DeletePolicyInput{PolicyId: &id}))(t)

	_, err := o.DeleteOrganizationalUnit(ctx, &organizations.DeleteOrganizationalUnitInput{OrganizationalUnitId: &unit})
	fails[*types.OrganizationalUnitNotEmptyException](t, err, "")
	o.move(dev.account, unit, o.root)
	must(o.DeleteOrganizationalUnit(ctx, &organizations.DeleteOrganizationalUnitInput{OrganizationalUnitId: &unit}))(t)
	must(dev.organizations().LeaveOrganization(ctx, &organizations.LeaveOrganizationInput{}))(t)
	must(o.DeleteOrganization(ctx, &organizations.DeleteOrganizationInput{}))(t)
	_, err = o.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	fails[*types.AWSOrganizationsNotInUseException](t, err, "")
}

// Accounts that are there by themselves come by invitation, and then have a say in what
// the organization may do to them.
func TestOrganizationsHandshakes(t *testing.T) {
	t.Parallel()
	c, guest := newCloud(t), newCloud(t)
	o, its := c.organizations(), guest.organizations()
	must(o.CreateOrganization(ctx, &organizations.CreateOrganizationInput{FeatureSet: types.OrganizationFeatureSetConsolidatedBilling}))(t)
	invite := func() *string {
		return must(o.InviteAccountToOrganization(ctx, &organizations.InviteAccountToOrganizationInput{Target: &types.HandshakeParty{Type: types.HandshakePartyTypeAccount, Id: &guest.account}}))(t).Handshake.Id
	}
	state := func(id *string, want types.HandshakeState) {
		t.Helper()
		equal(t, "the state", must(its.DescribeHandshake(ctx, &organizations.DescribeHandshakeInput{HandshakeId: id}))(t).Handshake.State, want)
	}
	id := invite()
	must(o.CancelHandshake(ctx, &organizations.CancelHandshakeInput{HandshakeId: id}))(t)
	state(id, types.HandshakeStateCanceled)
	id = invite()
	must(its.DeclineHandshake(ctx, &organizations.DeclineHandshakeInput{HandshakeId: id}))(t)
	state(id, types.HandshakeStateDeclined)
	id = invite()
	must(its.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: id}))(t)
	equal(t, "the manager", *must(its.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{}))(t).Organization.MasterAccountId, c.account)
	equal(t, "what was sent", len(must(o.ListHandshakesForOrganization(ctx, &organizations.ListHandshakesForOrganizationInput{}))(t).Handshakes), 3)

	all := must(o.EnableAllFeatures(ctx, &organizations.EnableAllFeaturesInput{}))(t).Handshake
	equal(t, "the state", all.State, types.HandshakeStateRequested)
	asked := must(its.ListHandshakesForAccount(ctx, &organizations.ListHandshakesForAccountInput{Filter: &types.HandshakeFilter{ParentHandshakeId: all.Id}}))(t).Handshakes
	must(its.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: asked[0].Id}))(t)
	must(o.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: all.Id}))(t)
	equal(t, "the features", must(its.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{}))(t).Organization.FeatureSet, types.OrganizationFeatureSetAll)
}

// keyIn reads the variables that commands print.
func keyIn(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "AWS_") {
			out[name] = value
		}
	}
	return out
}

func TestCommandAccount(t *testing.T) {
	t.Parallel()
	boss := newCloud(t)
	env := []string{"AWS_ACCESS_KEY_ID=" + boss.account, "AWS_SECRET_ACCESS_KEY=any"}
	account := func(status int, args ...string) (string, string) {
		t.Helper()
		return run(t, env, status, append(append([]string{"account"}, args...), "--data", house.Data)...)
	}
	_, errs := account(1, "list")
	if err := has(errs, "tule account add"); err != nil {
		t.Error(err)
	}
	name := "dev " + boss.account
	out, _ := account(0, "add", name)
	made := keyIn(out)
	dev := cloudAs(t, made["AWS_ACCOUNT_ID"], made["AWS_ACCESS_KEY_ID"], made["AWS_SECRET_ACCESS_KEY"], "")
	equal(t, "who the key is", dev.whoami(), "arn:aws:iam::"+made["AWS_ACCOUNT_ID"]+":root")
	_, errs = account(1, "add", name)
	if err := has(errs, "choose one with --email"); err != nil {
		t.Error(err)
	}
	id := newCloud(t).account
	out, _ = account(0, "add", "ops", "--email", id+"@example.com", "--id", id)
	equal(t, "the id", keyIn(out)["AWS_ACCOUNT_ID"], id)
	out, _ = account(0, "list")
	if err := has(out, boss.account, made["AWS_ACCOUNT_ID"]+"  "+name+"  ", id+"  ops  ", "ACTIVE"); err != nil {
		t.Error(err)
	}
	account(1, "add", "x", "--id", "12")

	// A running Tule makes another key for who may read its key file.
	out, _ = run(t, nil, 0, "root-key", "--data", house.Data, "--account", id)
	other := keyIn(out)
	equal(t, "who the other key is", cloudAs(t, id, other["AWS_ACCESS_KEY_ID"], other["AWS_SECRET_ACCESS_KEY"], "").whoami(), "arn:aws:iam::"+id+":root")
}

// The first Tule that others can reach makes a root credential, says it once, and takes
// no other root.
func TestFirstRootCredential(t *testing.T) {
	t.Parallel()
	data, addr := t.TempDir()+"/data", free(t)
	start := func() (said string, stop func()) {
		t.Helper()
		c := exec.Command(tule.Bin(), "start", "--data", data, "--listen", addr, "--listen", "0.0.0.0:0")
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		out := must(c.StdoutPipe())(t)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "Ready." {
			said += lines.Text() + "\n"
		}
		return said, func() {
			_ = c.Process.Signal(syscall.SIGTERM) // who is gone has an error to wait for
			if err := c.Wait(); err != nil {
				t.Errorf("tule start: %v", err)
			}
			late.Stop()
		}
	}
	said, stop := start()
	key := keyIn(said)
	if err := has(said, "It is not shown again."); err != nil {
		t.Error(err)
	}
	root := cloudAs(t, "000000000000", key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"], "")
	root.config.BaseEndpoint = aws.String("http://" + addr)
	root = cloudOf(t, root.account, root.config)
	equal(t, "who the key is", root.whoami(), "arn:aws:iam::000000000000:root")
	stranger := root.config.Copy()
	stranger.Credentials = newCloud(t).config.Credentials
	_, err := cloudOf(t, "", stranger).sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	refused(t, err, "InvalidClientTokenId", "")

	// Whoever may read the key file needs no credentials.
	none := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}
	out, _, status := tule.Run(context.Background(), none, "account", "add", "dev", "--data", data, "--tule", addr)
	made := keyIn(out)
	if status != 0 || made["AWS_SECRET_ACCESS_KEY"] == "" {
		t.Errorf("account add: status %d\n%s", status, out)
	}
	_, errs, _ := tule.Run(context.Background(), none, "account", "add", "ops", "--id", "111111111111", "--data", data, "--tule", addr)
	if err := has(errs, "only while Tule listens on loopback alone"); err != nil {
		t.Error(err)
	}
	stop()

	said, stop = start()
	equal(t, "what the second start says", said, "")
	equal(t, "who the key is still", root.whoami(), "arn:aws:iam::000000000000:root")
	stop()
}
