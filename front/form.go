package front

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// Vouch says who signed the policy of a form by which a browser uploads, from the form's
// fields, their names in lower case. Without a signature it is nobody, which is no error.
// The policy says until when it is good: whoever reads it must hold it to that.
func (f *Front) Vouch(ctx context.Context, form url.Values) (aws.Caller, error) {
	nobody := aws.Caller{Kind: aws.Anonymous}
	sig, err := sigv4.ParseForm(form)
	if err != nil || sig == nil {
		return nobody, formError(err)
	}
	secret, owner, err := f.Identity.Key(ctx, sig.AccessKeyID, sig.Token)
	if errors.Is(err, aws.ErrUnknownKey) {
		if owner, err = f.stranger(sig.AccessKeyID); err != nil {
			return nobody, formError(err)
		}
		// What a stranger signed cannot be checked; a page of his may not use that.
		req := aws.RequestOf(ctx)
		page := &http.Request{Host: req.Host, Header: http.Header{}}
		if req.Origin != "" {
			page.Header.Set("Origin", req.Origin)
		}
		err = f.checkPage(page)
	} else if err == nil {
		err = formError(sig.VerifyText(form.Get("policy"), &f.keys, secret))
	}
	if err != nil {
		return nobody, err
	}
	owner.AccessKeyID = sig.AccessKeyID
	return owner, nil
}

// formError says a refusal in S3's words, whose forms these are.
func formError(err error) error {
	var sig *sigv4.Error
	var own refusal
	switch {
	case errors.As(err, &sig):
		s := words[string(sig.Reason)][2]
		return aws.Errorf(s.status, s.code, "%s", sig.Message)
	case errors.As(err, &own):
		s := words[string(own.kind)][2]
		return aws.Errorf(s.status, s.code, "%s", own.message)
	}
	return err
}
