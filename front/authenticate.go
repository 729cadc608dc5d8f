package front

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// defaultAccount is the account of access keys that name none.
const defaultAccount = "000000000000"

// authenticate finds out who calls. It fills the request's caller and region, and
// puts a body in place that is checked as it is read.
func (f *Front) authenticate(c *call) error {
	if c.sig == nil && c.service == nil {
		sig, err := sigv4.Parse(c.r)
		if err != nil {
			return err
		}
		c.sig = sig
	}
	if c.sig == nil {
		if c.service != nil && f.open2all(c) {
			body, err := sigv4.Plain(c.r)
			c.r.Body = body
			return err
		}
		return &sigv4.Error{Reason: sigv4.Missing, Message: "Missing Authentication Token"}
	}
	if err := f.checkRegion(c); err != nil {
		return err
	}
	c.req.Region, c.sig.Folder = c.sig.Region, c.folder()
	secret, owner, err := f.Identity.Key(c.r.Context(), c.sig.AccessKeyID, c.sig.Token)
	switch {
	case errors.Is(err, aws.ErrUnknownKey):
		if owner, err = f.stranger(c.sig.AccessKeyID); err == nil {
			err = f.checkPage(c.r)
		}
		if err != nil {
			return err
		}
		c.trusted = true
	case aws.CodeOf(err) == "ExpiredTokenException":
		return refusal{expiredToken, "The security token included in the request is expired"}
	case err != nil:
		return err
	}
	c.secret = secret
	if err := f.checkSignature(c); err != nil {
		return err
	}
	owner.AccessKeyID = c.sig.AccessKeyID
	c.req.Caller = owner
	return f.checkService(c)
}

// open2all reports whether the call may come without a signature: to an operation that
// needs none, or to a resource whose policy may let everybody.
func (f *Front) open2all(c *call) bool {
	if f.match(c) != nil {
		return false
	}
	return c.op.Anonymous || c.service.Model.Unsigned
}

// stranger is the caller behind an access key that was not issued here.
func (f *Front) stranger(id string) (aws.Caller, error) {
	if (strings.HasPrefix(id, "AKIA") || strings.HasPrefix(id, "ASIA")) && len(id) >= 16 {
		return aws.Caller{}, refusal{unknownKey, "The security token included in the request is invalid. " +
			"(The access key " + id[:4] + "… looks like one of AWS's own and was not issued by this Tule; sign with another.)"}
	}
	if !f.TrustUnknown {
		return aws.Caller{}, refusal{unknownKey, "The security token included in the request is invalid."}
	}
	account := defaultAccount
	switch {
	case aws.ValidAccount(id):
		account = id
	case strings.HasPrefix(id, "LKIA") || strings.HasPrefix(id, "LSIA"):
		if a, ok := aws.AccountOfKey(id); ok {
			account = a
		}
	}
	return aws.Caller{Kind: aws.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}, nil
}

// checkSignature verifies the signature, and the body against it. What an unknown
// key signed cannot be verified; its age and its body can.
func (f *Front) checkSignature(c *call) error {
	now := f.Signers.Now()
	keys := &f.keys
	if c.trusted {
		if err := c.sig.Fresh(now); err != nil {
			return err
		}
		keys = nil
	} else {
		hash := ""
		if !c.sig.Declared() {
			if err := f.readBody(c); err != nil {
				return err
			}
			sum := sha256.Sum256(c.body)
			hash = hex.EncodeToString(sum[:])
		}
		if err := c.sig.Verify(c.r, keys, c.secret, now, hash); err != nil {
			return err
		}
	}
	body, err := c.sig.Body(c.r, keys, c.secret)
	if err != nil {
		return err
	}
	if !c.read {
		c.r.Body = body
	}
	return nil
}

// checkService refuses a signature that was made for another service. A Tule that
// trusts strangers does so in this, too: tools there sign with whatever comes.
func (f *Front) checkService(c *call) error {
	if c.service == nil || c.trusted || c.sig.Service == c.service.Model.SigningName {
		return nil
	}
	return badService(c.service.Model.SigningName)
}

func badService(want string) error {
	return &sigv4.Error{Reason: sigv4.Mismatch, Message: "Credential should be scoped to correct service: '" + want + "'."}
}

// readBody reads the whole body, once, within the service's bound and in time.
func (f *Front) readBody(c *call) error {
	if c.read {
		return nil
	}
	limit := int64(10 << 20)
	if c.service != nil && c.service.Model.MaxBody > 0 {
		limit = c.service.Model.MaxBody
	}
	if c.r.ContentLength > limit {
		return tooLarge(limit)
	}
	late := time.AfterFunc(slow, func() {
		// What is not a socket has no deadlines, and nobody slow behind it.
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Unix(1, 0))
	})
	b, err := readAll(io.LimitReader(c.r.Body, limit+1), c.r.ContentLength)
	if !late.Stop() {
		return aws.Errorf(http.StatusRequestTimeout, "RequestTimeout", "The request body did not arrive within %s.", slow)
	}
	if err != nil {
		return badBody(err)
	}
	if int64(len(b)) > limit {
		return tooLarge(limit)
	}
	c.body, c.read = b, true
	return nil
}

// readAll reads to the end, with room for the length that was announced, up to a
// mebibyte: more must come before more is taken.
func readAll(r io.Reader, announced int64) ([]byte, error) {
	b := make([]byte, 0, max(512, min(announced+1, 1<<20)))
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}

func tooLarge(limit int64) *aws.Error {
	return aws.Errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for this operation.", limit)
}

func badBody(err error) error {
	var s *sigv4.Error
	var a *aws.Error
	if errors.As(err, &s) || errors.As(err, &a) {
		return err
	}
	return aws.Errorf(http.StatusBadRequest, "IncompleteBody", "The request body could not be read to its end.").Because(err)
}
