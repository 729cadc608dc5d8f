package front

import (
	"errors"
	"net/http"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// A refusal is an error of the door itself. Each family of protocols has a code of
// its own for it.
type refusal struct {
	kind    refusalKind
	message string
}

func (r refusal) Error() string { return r.message }

type refusalKind string

const (
	unknownKey   refusalKind = "unknown key"
	expiredToken refusalKind = "expired token"
)

// said is how a family of protocols says a refusal: a code and a status.
type said struct {
	code   string
	status int
}

// words are the refusals' codes: of the JSON protocols, of the query protocols,
// and of S3 and its like.
var words = map[string][3]said{
	string(sigv4.Missing):    {{"MissingAuthenticationTokenException", 403}, {"MissingAuthenticationToken", 403}, {"AccessDenied", 403}},
	string(sigv4.Incomplete): {{"IncompleteSignatureException", 400}, {"IncompleteSignature", 400}, {"AuthorizationHeaderMalformed", 400}},
	string(sigv4.Mismatch):   {{"InvalidSignatureException", 403}, {"SignatureDoesNotMatch", 403}, {"SignatureDoesNotMatch", 403}},
	string(sigv4.Expired):    {{"InvalidSignatureException", 403}, {"SignatureDoesNotMatch", 403}, {"AccessDenied", 403}},
	string(sigv4.Early):      {{"InvalidSignatureException", 403}, {"SignatureDoesNotMatch", 403}, {"RequestTimeTooSkewed", 403}},
	string(sigv4.BadHash):    {{"InvalidSignatureException", 403}, {"SignatureDoesNotMatch", 403}, {"XAmzContentSHA256Mismatch", 400}},
	string(sigv4.BadChunk):   {{"IncompleteBody", 400}, {"IncompleteBody", 400}, {"IncompleteBody", 400}},
	string(sigv4.BadSum):     {{"BadDigest", 400}, {"BadDigest", 400}, {"BadDigest", 400}},
	string(sigv4.NoSum):      {{"InvalidDigest", 400}, {"InvalidDigest", 400}, {"InvalidDigest", 400}},
	string(sigv4.Foreign):    {{"IncompleteSignatureException", 400}, {"IncompleteSignature", 400}, {"InvalidRequest", 400}},
	string(unknownKey):       {{"UnrecognizedClientException", 403}, {"InvalidClientTokenId", 403}, {"InvalidAccessKeyId", 403}},
	string(expiredToken):     {{"ExpiredTokenException", 403}, {"ExpiredToken", 403}, {"ExpiredToken", 400}},
	"denied":                 {{"AccessDeniedException", 403}, {"AccessDenied", 403}, {"AccessDenied", 403}},
}

// family is the column of words for a protocol.
func family(p aws.Protocol) int {
	switch p {
	case aws.Query, aws.EC2:
		return 1
	case aws.RestXML:
		return 2
	}
	return 0
}

// toError makes whatever went wrong an error for the caller, in the words of its
// protocol and service.
func (f *Front) toError(c *call, err error) *aws.Error {
	kind, message := "", err.Error()
	var header http.Header
	var sig *sigv4.Error
	var own refusal
	var e *aws.Error
	switch {
	case errors.As(err, &sig):
		kind = string(sig.Reason)
	case errors.As(err, &own):
		kind = string(own.kind)
	case errors.As(err, &e):
		switch e.Code {
		case "AccessDeniedException":
			kind, message, header = "denied", e.Message, e.Header
		case "UnrecognizedClientException":
			kind, message = string(unknownKey), e.Message
		default:
			return f.rename(c, e)
		}
	case errors.Is(err, aws.ErrFull):
		return f.rename(c, aws.Unavailable("The disk of this Tule is full. Nothing was changed; try again when there is room.").Because(err))
	case c.r.Context().Err() != nil:
		return aws.Errorf(499, "RequestAbandoned", "The caller went away.").Because(err)
	default:
		return f.rename(c, aws.InternalFailure(err))
	}
	s := words[kind][family(c.protocol)]
	if c.protocol == aws.JSON || c.protocol == aws.AmzCBOR || c.protocol == aws.CBOR {
		s.status = http.StatusBadRequest
	}
	out := aws.Errorf(s.status, s.code, "%s", message).Because(err)
	out.Header = header
	return f.rename(c, out)
}

// rename gives an error the code by which the service called knows it.
func (f *Front) rename(c *call, e *aws.Error) *aws.Error {
	if c.service != nil {
		if code := c.service.Model.Codes[e.Code]; code != "" {
			renamed := *e
			renamed.Code = code
			return &renamed
		}
	}
	return e
}

func isMissing(err error) bool {
	var s *sigv4.Error
	return errors.As(err, &s) && s.Reason == sigv4.Missing
}
