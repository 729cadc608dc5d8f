package sts

import (
	"context"
	"encoding/base64"
	"encoding/json"

	api "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// maxMessage is the longest message of a denial, in bytes of JSON.
const maxMessage = 1 << 20

// decodeAuthorizationMessage opens what the front door sealed for the account of who
// was denied. Nobody else can read it.
func (s *Service) decodeAuthorizationMessage(ctx context.Context, in *api.DecodeAuthorizationMessageRequest) (*api.DecodeAuthorizationMessageResponse, error) {
	refused := func(cause error) error {
		return api.InvalidAuthorizationMessageException("Message is not valid").Because(cause)
	}
	sealed, err := base64.StdEncoding.DecodeString(*in.EncodedMessage)
	if err != nil {
		return nil, refused(err)
	}
	packed, err := s.messages.Open(sealed, aws.RequestOf(ctx).Account())
	if err != nil {
		return nil, refused(err)
	}
	message, err := inflate(packed, maxMessage)
	if err != nil || !json.Valid(message) {
		return nil, refused(err)
	}
	decoded := string(message)
	return &api.DecodeAuthorizationMessageResponse{DecodedMessage: &decoded}, nil
}
