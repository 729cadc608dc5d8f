package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/cloudformation/resource"
	"github.com/tule-cloud/tule/template"
)

// worded makes an error of the language one that its caller is told; nil stays nil.
func worded(err error) error {
	var e *aws.Error
	if err == nil || errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return err
	}
	return invalid("%s", err)
}

// message is what events say of an error.
func message(err error) string {
	var e *aws.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return e.Message
}

// handled is what events say of the error of a resource's row, in AWS's form.
// https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
func handled(rec *record, err error) string {
	var e *aws.Error
	if !errors.As(err, &e) || rec.Step == nil || e.Code == "ValidationError" && e.Status == 400 || e.Code == "InvalidRequest" {
		return message(err)
	}
	code := "InvalidRequest"
	switch {
	case resource.Gone(err):
		code = "NotFound"
	case resource.Exists(err):
		code = "AlreadyExists"
	case strings.HasPrefix(e.Code, "AccessDenied"):
		code = "AccessDenied"
	case resource.Busy(err):
		code = "Throttling"
	case e.Code == "NotStabilized":
		code = "NotStabilized"
	case e.Server():
		code = "ServiceInternalError"
	}
	return fmt.Sprintf("Resource handler returned message: %q (RequestToken: %s, HandlerErrorCode: %s)", e.Message, rec.Step.Token, code)
}

// outputText is an output's value as text.
func outputText(v any) (string, bool) {
	switch v.(type) {
	case string, bool:
		return template.Text(v), true
	}
	text := template.Text(v)
	return text, text != ""
}

// signalURL is where signals for a resource are put.
func (d *drive) signalURL(rec *record) string {
	return "https://cloudformation-waitcondition-" + d.k.Region + ".s3.amazonaws.com/" + d.ID + "/" + rec.Logical
}
