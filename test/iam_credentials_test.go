package test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // what one-time codes are made of
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// code is what an MFA device shows, some steps of 30 seconds ahead (RFC 6238).
func code(t testing.TB, seed []byte, ahead int64) *string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(string(seed))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30+ahead)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return aws.String(fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000))
}

// phone makes an MFA device, and enables it for a user.
func (c *cloud) phone(user string) (serial *string, seed []byte) {
	c.Helper()
	d := must(c.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String(user + "-phone")}))(c).VirtualMFADevice
	if picture, err := png.Decode(bytes.NewReader(d.QRCodePNG)); err != nil || picture.Bounds().Dx() < 100 {
		c.Errorf("the QR code is no picture: %v", err)
	}
	must(c.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: &user, SerialNumber: d.SerialNumber,
		AuthenticationCode1: code(c, d.Base32StringSeed, -1), AuthenticationCode2: code(c, d.Base32StringSeed, 0)}))(c)
	return d.SerialNumber, d.Base32StringSeed
}

func TestIAMDevices(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.user("ann", "")
	ann := aws.String("ann")
	serial, seed := c.phone("ann")
	equal(t, "the serial number", *serial, c.arn("iam", "mfa/ann-phone"))
	_, err := c.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: ann, SerialNumber: serial, AuthenticationCode1: code(t, seed, 0), AuthenticationCode2: code(t, seed, 1)})
	fails[*types.EntityAlreadyExistsException](t, err, "MFA Device is already in use.")
	equal(t, "the user's devices", *must(c.iam.ListMFADevices(ctx, &iam.ListMFADevicesInput{UserName: ann}))(t).MFADevices[0].SerialNumber, *serial)
	equal(t, "the device's user", *must(c.iam.GetMFADevice(ctx, &iam.GetMFADeviceInput{SerialNumber: serial}))(t).UserName, "ann")
	assigned := must(c.iam.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{AssignmentStatus: types.AssignmentStatusTypeAssigned}))(t).VirtualMFADevices
	equal(t, "the assigned device's user", *assigned[0].User.Arn, c.arn("iam", "user/ann"))

	must(c.iam.TagMFADevice(ctx, &iam.TagMFADeviceInput{SerialNumber: serial, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}}))(t)
	must(c.iam.UntagMFADevice(ctx, &iam.UntagMFADeviceInput{SerialNumber: serial, TagKeys: []string{"a"}}))(t)
	equal(t, "the tag", *must(c.iam.ListMFADeviceTags(ctx, &iam.ListMFADeviceTagsInput{SerialNumber: serial}))(t).Tags[0].Key, "b")

	_, err = c.iam.ResyncMFADevice(ctx, &iam.ResyncMFADeviceInput{UserName: ann, SerialNumber: serial, AuthenticationCode1: code(t, seed, -1), AuthenticationCode2: code(t, seed, 0)})
	fails[*types.InvalidAuthenticationCodeException](t, err, "Authentication code for device is not valid.") // EnableMFADevice had them
	must(c.iam.ResyncMFADevice(ctx, &iam.ResyncMFADeviceInput{UserName: ann, SerialNumber: serial, AuthenticationCode1: code(t, seed, 2), AuthenticationCode2: code(t, seed, 3)}))(t)

	_, err = c.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: serial})
	fails[*types.DeleteConflictException](t, err, "Must deactivate first.")
	must(c.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: ann, SerialNumber: serial}))(t)
	must(c.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: serial}))(t)
}

func TestIAMPasswords(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	ann, name := c.user("ann", ""), aws.String("ann")
	must(c.iam.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(12), PasswordReusePrevention: aws.Int32(1)}))(t)
	policy := must(c.iam.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{}))(t).PasswordPolicy
	equal(t, "the length", *policy.MinimumPasswordLength, 12)
	_, err := c.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String("short")})
	fails[*types.PasswordPolicyViolationException](t, err, "Password should have a minimum length of 12")
	must(c.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: name, Password: aws.String("first password"), PasswordResetRequired: true}))(t)
	if !must(c.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: name}))(t).LoginProfile.PasswordResetRequired {
		t.Error("no reset is required")
	}
	must(c.iam.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: name, Password: aws.String("second password")}))(t)

	// The account's policy lets users change their own password, and no policy of theirs needs to.
	change := func(from, to string) error {
		_, err := ann.iam.ChangePassword(ctx, &iam.ChangePasswordInput{OldPassword: &from, NewPassword: &to})
		return err
	}
	refused(t, change("second password", "third password"), "AccessDenied", "not authorized to perform: iam:ChangePassword")
	must(c.iam.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{AllowUsersToChangePassword: true, PasswordReusePrevention: aws.Int32(1)}))(t)
	refused(t, change("first password", "third password"), "AccessDenied", "The old password was incorrect.")
	fails[*types.PasswordPolicyViolationException](t, change("second password", "second password"), "password reuse prevention")
	if err := change("second password", "third password"); err != nil {
		t.Error(err)
	}
	must(c.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: name}))(t)
	fails[*types.NoSuchEntityException](t, change("third password", "fourth password"), "Login Profile for User ann cannot be found.")
	must(c.iam.DeleteAccountPasswordPolicy(ctx, &iam.DeleteAccountPasswordPolicyInput{}))(t)
}

// Two things that a user of CodeCommit may have, from ssh-keygen and openssl.
const (
	sshKey             = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDCsPnrVIK/wvoD3bJuJo1uBvxjQs+pC7fUOBjT1ybBXCxOiFm6XPl83aZtwP6RaReYIJGWbVivW+Yioc6bYLgtJy1r8Ig7L277/X8cDZlAyKpATtY7fX32ERA970ChuB6ByySe4HKIDay9zTPRDSD9E5SKX1Joeir+mdnlBZxV0zTd1gJpH8MUMlcx29JzIyyuKp1mw0ON+DMewM/ExRWA9NqmArSQcsCERweNYVigCAWO2tMgsrLD0QUJNICjbEHLPaF+UmzZ08cEa71ZB5uCFCJWGDaEHxtesGRRf/Qs2gIl9/efsrh3jlCSvNcp6dWexxt7iwPgaileJULAtgcL"
	signingCertificate = `-----BEGIN CERTIFICATE-----
MIIBDDCBs6ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMTBGFubmEwIBcN
MjAwMTAxMDAwMDAwWhgPMjEyNjAxMDEwMDAwMDBaMA8xDTALBgNVBAMTBGFubmEw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT1eMW72dpxOXHAGGaO/jv15B4xQp56
fTY72m4mAnyygr7LayiVli5OfL/jgATAnHFlvkYfWRm7oCnxRznduUEYMAoGCCqG
SM49BAMCA0gAMEUCICNus1+oMI5Y0+4S0uv2MQ+YmOPDr6TkTCj21VxTFzPqAiEA
izxKGMUJHwrLkLr0Wbe63/6NeO+CbASfZR03FIDzbNU=
-----END CERTIFICATE-----
`
)

func TestIAMKeysAndCertificates(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.user("ann", "")
	ann := aws.String("ann")
	k := must(c.iam.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: ann, SSHPublicKeyBody: aws.String(sshKey)}))(t).SSHPublicKey
	equal(t, "the fingerprint", *k.Fingerprint, "79:3c:cd:05:96:10:a4:35:51:29:1a:e4:d0:8a:fb:51")
	pem := must(c.iam.GetSSHPublicKey(ctx, &iam.GetSSHPublicKeyInput{UserName: ann, SSHPublicKeyId: k.SSHPublicKeyId, Encoding: types.EncodingTypePem}))(t).SSHPublicKey
	if !strings.HasPrefix(*pem.SSHPublicKeyBody, "-----BEGIN PUBLIC KEY-----") {
		t.Error(*pem.SSHPublicKeyBody)
	}
	must(c.iam.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: ann, SSHPublicKeyId: k.SSHPublicKeyId, Status: types.StatusTypeInactive}))(t)
	equal(t, "the key's status", must(c.iam.ListSSHPublicKeys(ctx, &iam.ListSSHPublicKeysInput{UserName: ann}))(t).SSHPublicKeys[0].Status, types.StatusTypeInactive)
	must(c.iam.DeleteSSHPublicKey(ctx, &iam.DeleteSSHPublicKeyInput{UserName: ann, SSHPublicKeyId: k.SSHPublicKeyId}))(t)

	cert := must(c.iam.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{UserName: ann, CertificateBody: aws.String(signingCertificate)}))(t).Certificate
	must(c.iam.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: ann, CertificateId: cert.CertificateId, Status: types.StatusTypeInactive}))(t)
	equal(t, "the certificate's status", must(c.iam.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: ann}))(t).Certificates[0].Status, types.StatusTypeInactive)
	must(c.iam.DeleteSigningCertificate(ctx, &iam.DeleteSigningCertificateInput{UserName: ann, CertificateId: cert.CertificateId}))(t)
}

func TestIAMServiceCredentials(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.user("ann", "")
	ann := aws.String("ann")
	made := must(c.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: ann, ServiceName: aws.String("codecommit.amazonaws.com")}))(t).ServiceSpecificCredential
	equal(t, "the name", *made.ServiceUserName, "ann-at-"+c.account)
	id := made.ServiceSpecificCredentialId
	again := must(c.iam.ResetServiceSpecificCredential(ctx, &iam.ResetServiceSpecificCredentialInput{UserName: ann, ServiceSpecificCredentialId: id}))(t).ServiceSpecificCredential
	if *again.ServicePassword == *made.ServicePassword || *again.ServiceUserName != *made.ServiceUserName {
		t.Error("reset gives another password, for the same name")
	}
	must(c.iam.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: ann, ServiceSpecificCredentialId: id, Status: types.StatusTypeInactive}))(t)
	list := must(c.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: ann}))(t).ServiceSpecificCredentials
	equal(t, "the status", list[0].Status, types.StatusTypeInactive)
	must(c.iam.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{UserName: ann, ServiceSpecificCredentialId: id}))(t)
	_, err := c.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: ann, ServiceName: aws.String("s3.amazonaws.com")})
	fails[*types.ServiceNotSupportedException](t, err, "s3.amazonaws.com")
	must(c.iam.SetSecurityTokenServicePreferences(ctx, &iam.SetSecurityTokenServicePreferencesInput{GlobalEndpointTokenVersion: types.GlobalEndpointTokenVersionV2Token}))(t)
	equal(t, "the version of tokens", must(c.iam.GetAccountSummary(ctx, &iam.GetAccountSummaryInput{}))(t).SummaryMap["GlobalEndpointTokenVersion"], 2)
}

func TestIAMContextKeys(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	document := statement("Allow", "s3:*", "*", `,"Condition":{"StringEquals":{"aws:PrincipalTag/team":"a"}}`)
	equal(t, "the key", must(c.iam.GetContextKeysForCustomPolicy(ctx, &iam.GetContextKeysForCustomPolicyInput{PolicyInputList: []string{document}}))(t).ContextKeyNames[0], "aws:PrincipalTag/team")
	c.user("ann", document)
	out := must(c.iam.GetContextKeysForPrincipalPolicy(ctx, &iam.GetContextKeysForPrincipalPolicyInput{PolicySourceArn: aws.String(c.arn("iam", "user/ann"))}))(t)
	equal(t, "the user's key", out.ContextKeyNames[0], "aws:PrincipalTag/team")

	name := aws.String("web")
	must(c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name}))(t)
	must(c.iam.TagInstanceProfile(ctx, &iam.TagInstanceProfileInput{InstanceProfileName: name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}}))(t)
	must(c.iam.UntagInstanceProfile(ctx, &iam.UntagInstanceProfileInput{InstanceProfileName: name, TagKeys: []string{"a"}}))(t)
	equal(t, "the tag", *must(c.iam.ListInstanceProfileTags(ctx, &iam.ListInstanceProfileTagsInput{InstanceProfileName: name}))(t).Tags[0].Key, "b")
}

// A role lets nobody in who comes under the name of somebody it trusted.
func TestIAMTrustOutlivesNobody(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	arn := c.arn("iam", "user/ann")
	_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: trust(`{"AWS":"` + arn + `"}`)})
	fails[*types.MalformedPolicyDocumentException](t, err, `Invalid principal in policy: "AWS":"`+arn+`"`)
	assume := func(as *cloud) error {
		_, err := as.sts.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String(c.arn("iam", "role/r")), RoleSessionName: aws.String("s1")})
		return err
	}
	ann := c.user("ann", "")
	must(c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: trust(`{"AWS":"` + arn + `"}`)}))(t)
	if err := assume(ann); err != nil {
		t.Fatal(err)
	}
	key := must(c.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: aws.String("ann")}))(t).AccessKeyMetadata[0].AccessKeyId
	must(c.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: key}))(t)
	must(c.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("ann")}))(t)
	refused(t, assume(c.user("ann", "")), "AccessDenied", "is not authorized to perform: sts:AssumeRole")
}

// Who may care for his own credentials gets at nobody else's with that.
func TestIAMOwnCredentials(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	own := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":["arn:aws:iam::*:user/${aws:username}","arn:aws:iam::*:mfa/${aws:username}-*"]}]}`
	ann, name, boss := c.user("ann", own), aws.String("ann"), aws.String("boss")
	c.user("boss", "")
	serial, seed := c.phone("boss")
	mine, _ := ann.phone("ann")

	_, err := ann.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: boss, Password: aws.String("correct Horse 1")})
	refused(t, err, "AccessDenied", "not authorized to perform: iam:CreateLoginProfile")
	_, err = ann.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: boss, SerialNumber: serial})
	refused(t, err, "AccessDenied", "not authorized to perform: iam:DeactivateMFADevice")
	_, err = ann.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: serial})
	fails[*types.NoSuchEntityException](t, err, "MFA Device invalid for user.")
	_, err = ann.iam.ResyncMFADevice(ctx, &iam.ResyncMFADeviceInput{UserName: name, SerialNumber: serial, AuthenticationCode1: code(t, seed, 1), AuthenticationCode2: code(t, seed, 2)})
	fails[*types.NoSuchEntityException](t, err, "MFA Device invalid for user.")
	_, err = ann.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: serial})
	refused(t, err, "AccessDenied", "not authorized to perform: iam:DeleteVirtualMFADevice")
	_, err = ann.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: boss})
	refused(t, err, "AccessDenied", "not authorized to perform: iam:CreateAccessKey")
	_, err = ann.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{AllUsers: aws.Bool(true)})
	refused(t, err, "AccessDenied", "not authorized to perform: iam:ListServiceSpecificCredentials")
	root := aws.String("root-account-mfa-device")
	_, err = ann.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: root})
	refused(t, err, "AccessDenied", "not authorized to perform: iam:CreateVirtualMFADevice")
	made := must(c.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: root}))(t).VirtualMFADevice
	_, err = ann.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: name, SerialNumber: made.SerialNumber,
		AuthenticationCode1: code(t, made.Base32StringSeed, -1), AuthenticationCode2: code(t, made.Base32StringSeed, 0)})
	refused(t, err, "AccessDenied", "Only the root user of the account can enable")
	must(ann.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: name, SerialNumber: mine}))(t)
}
