package cloudformation

import (
	"context"
	"errors"

	"github.com/tule-cloud/tule/aws"
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
