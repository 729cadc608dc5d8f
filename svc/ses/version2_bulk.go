package ses

import (
	"context"
	"errors"
	"slices"

	api "github.com/tule-cloud/tule/api/ses"
	apiv2 "github.com/tule-cloud/tule/api/sesv2"
	"github.com/tule-cloud/tule/aws"
)

func (s *Service) guardBulk2(ctx context.Context, in *apiv2.SendBulkEmailRequest) ([]aws.Access, error) {
	var to []string
	for _, e := range in.BulkEmailEntries {
		to = append(to, recipientsOf(destination1(e.Destination))...)
	}
	needs, err := s.sending(ctx, aws.Value(in.FromEmailAddress), in.FromEmailAddressIdentityArn, aws.Value(in.FeedbackForwardingEmailAddress), to, in.ConfigurationSetName)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{} // and none of a single message's
	newerKeys(keys, in.TenantName, in.EndpointId)
	for i := range needs {
		needs[i].Keys = keys
	}
	if t := in.DefaultContent.Template; t != nil && t.TemplateName != nil {
		more := needs[0]
		more.Policy, more.Resource = nil, aws.RequestOf(ctx).ARN("ses", "template/"+*t.TemplateName)
		needs = append(needs, more)
	}
	for i := range needs {
		needs[i].Tags = s.tagsOf(needs[i].Resource)
	}
	return needs, nil
}

// newerKeys adds the condition keys that only the second version's messages have.
func newerKeys(keys map[string][]string, tenant, endpoint *string) {
	for key, value := range map[string]*string{"ses:TenantName": tenant, "ses:MultiRegionEndpointId": endpoint} {
		if value != nil {
			keys[key] = []string{*value}
		}
	}
}

// tags1 are tags in the first version's form; of those of one name, the last counts.
func tags1(lists ...[]apiv2.MessageTag) (out []api.MessageTag) {
	for _, t := range slices.Concat(lists...) {
		out = slices.DeleteFunc(out, func(have api.MessageTag) bool { return *have.Name == *t.Name })
		out = append(out, api.MessageTag{Name: t.Name, Value: t.Value})
	}
	return out
}

// sendBulk2 sends a template, filled anew for each entry. What is wrong with one entry
// stands in its result, and keeps none of the others.
func (s *Service) sendBulk2(ctx context.Context, in *apiv2.SendBulkEmailRequest) (*apiv2.SendBulkEmailResponse, error) {
	t := in.DefaultContent.Template
	switch {
	case t == nil:
		return nil, apiv2.BadRequestException("DefaultContent.Template must be specified.")
	case len(in.BulkEmailEntries) == 0:
		return nil, apiv2.BadRequestException("BulkEmailEntries must not be empty.")
	case len(in.BulkEmailEntries) > maxRecipients:
		return nil, apiv2.BadRequestException("Destinations count cannot exceed %d", maxRecipients)
	}
	if _, err := s.template2(ctx, t); err != nil {
		return nil, err
	}
	out := &apiv2.SendBulkEmailResponse{BulkEmailEntryResults: []apiv2.BulkEmailEntryResult{}}
	for _, e := range in.BulkEmailEntries {
		filled := *t
		if r := e.ReplacementEmailContent; r != nil && r.ReplacementTemplate != nil && aws.Value(r.ReplacementTemplate.ReplacementTemplateData) != "" {
			filled.TemplateData = r.ReplacementTemplate.ReplacementTemplateData
		}
		filled.Headers = slices.Concat(t.Headers, e.ReplacementHeaders)
		l := &letter{operation: "SendBulkEmail", source: aws.Value(in.FromEmailAddress), returnPath: aws.Value(in.FeedbackForwardingEmailAddress), sourceARN: in.FromEmailAddressIdentityArn,
			replyTo: in.ReplyToAddresses, set: in.ConfigurationSetName, tags: tags1(in.DefaultEmailTags, e.ReplacementTags)}
		l.to, l.cc, l.bcc = given(destination1(e.Destination))
		err := s.fill2(ctx, l, &apiv2.EmailContent{Template: &filled})
		var id string
		if err == nil {
			id, err = s.send(ctx, l)
		}
		var bad *aws.Error
		switch {
		case err == nil:
			out.BulkEmailEntryResults = append(out.BulkEmailEntryResults, apiv2.BulkEmailEntryResult{Status: new(apiv2.BulkEmailStatusSuccess), MessageId: &id})
		case errors.As(err, &bad) && !bad.Server():
			out.BulkEmailEntryResults = append(out.BulkEmailEntryResults, apiv2.BulkEmailEntryResult{Status: new(bulkStatus(bad.Code)), Error: &bad.Message})
		default:
			return nil, err
		}
	}
	return out, nil
}

// bulkStatus is what an entry's result says of an error.
func bulkStatus(code string) string {
	switch code {
	case "MessageRejected":
		return apiv2.BulkEmailStatusMessageRejected
	case "ConfigurationSetDoesNotExist":
		return apiv2.BulkEmailStatusConfigurationSetNotFound
	case "AccountSendingPausedException":
		return apiv2.BulkEmailStatusAccountSendingPaused
	case "ConfigurationSetSendingPausedException":
		return apiv2.BulkEmailStatusConfigurationSetSendingPaused
	}
	return apiv2.BulkEmailStatusInvalidParameter
}
