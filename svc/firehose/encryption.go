package firehose

import (
	"context"

	api "github.com/tule-cloud/tule/api/firehose"
)

// encrypt notes with which key what a stream gathers is to be encrypted.
func (st *stream) encrypt(in *api.DeliveryStreamEncryptionConfigurationInput) error {
	switch {
	case st.Type != api.DeliveryStreamTypeDirectPut:
		return api.InvalidArgumentException("Server-side encryption is only applicable for DirectPut stream type.")
	case *in.KeyType == api.KeyTypeCustomerManagedCmk && in.KeyARN == nil:
		return api.InvalidArgumentException("KeyARN must be provided when KeyType is CUSTOMER_MANAGED_CMK.")
	case *in.KeyType == api.KeyTypeAwsOwnedCmk && in.KeyARN != nil:
		return api.InvalidArgumentException("KeyARN must not be provided when KeyType is AWS_OWNED_CMK.")
	}
	st.Encrypted, st.KeyType, st.KeyARN = true, *in.KeyType, ""
	if in.KeyARN != nil {
		st.KeyARN = *in.KeyARN
	}
	return nil
}

// encryption is what is told of a stream's encryption.
func (st *stream) encryption() *api.DeliveryStreamEncryptionConfiguration {
	if !st.Encrypted {
		return &api.DeliveryStreamEncryptionConfiguration{Status: new(api.DeliveryStreamEncryptionStatusDisabled)}
	}
	out := &api.DeliveryStreamEncryptionConfiguration{Status: new(api.DeliveryStreamEncryptionStatusEnabled), KeyType: &st.KeyType}
	if st.KeyARN != "" {
		out.KeyARN = &st.KeyARN
	}
	return out
}

func (s *Service) startEncryption(ctx context.Context, in *api.StartDeliveryStreamEncryptionInput) (*api.StartDeliveryStreamEncryptionOutput, error) {
	want := in.DeliveryStreamEncryptionConfigurationInput
	if want == nil {
		want = &api.DeliveryStreamEncryptionConfigurationInput{KeyType: new(api.KeyTypeAwsOwnedCmk)}
	}
	err := s.alter(ctx, refOf(ctx, in.DeliveryStreamName), func(st *stream) error { return st.encrypt(want) })
	return &api.StartDeliveryStreamEncryptionOutput{}, err
}

func (s *Service) stopEncryption(ctx context.Context, in *api.StopDeliveryStreamEncryptionInput) (*api.StopDeliveryStreamEncryptionOutput, error) {
	err := s.alter(ctx, refOf(ctx, in.DeliveryStreamName), func(st *stream) error {
		if st.Type != api.DeliveryStreamTypeDirectPut {
			return api.InvalidArgumentException("Server-side encryption is only applicable for DirectPut stream type.")
		}
		st.Encrypted, st.KeyType, st.KeyARN = false, "", ""
		return nil
	})
	return &api.StopDeliveryStreamEncryptionOutput{}, err
}
