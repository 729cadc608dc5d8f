package cloudtrail

import (
	"cmp"
	"context"
	"errors"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// createTrail makes a trail that does not log yet, if CloudTrail may put files where it
// is to.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
func (s *Service) createTrail(ctx context.Context, in *api.CreateTrailRequest) (*api.CreateTrailResponse, error) {
	if err := checkTrailName(*in.Name); err != nil {
		return nil, err
	}
	req := aws.RequestOf(ctx)
	t := &trail{Name: *in.Name, Account: req.Account(), Region: req.Region, Global: true}
	if err := settingsOf(in).apply(t); err != nil {
		return nil, err
	}
	if err := t.tag(in.TagsList); err != nil {
		return nil, err
	}
	if err := s.ofOrganization(ctx, t); err != nil {
		return nil, err
	}
	if err := s.checkDestinations(ctx, t, &trail{}); err != nil {
		return nil, err
	}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		have, err := trailsOf(ctx, tx, t.Account)
		if err != nil {
			return err
		}
		here := 0
		for i := range have {
			if have[i].Name == t.Name && (have[i].Region == t.Region || have[i].Multi || t.Multi) {
				return api.TrailAlreadyExistsException("Trail %s already exists for customer: %s", t.Name, t.Account)
			}
			if have[i].Region == t.Region || have[i].Multi {
				here++
			}
		}
		if here >= maxTrails {
			return api.MaximumNumberOfTrailsExceededException("User: %s already has %d trails in %s.", t.Account, here, t.Region)
		}
		return t.put(tx)
	})
	if err != nil {
		return nil, err
	}
	if err := s.learn(ctx); err != nil {
		return nil, err
	}
	return t.answer(), nil
}

// updateTrail changes what it is given, and nothing else.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_UpdateTrail.html
func (s *Service) updateTrail(ctx context.Context, in *api.UpdateTrailRequest) (*api.UpdateTrailResponse, error) {
	before, err := s.look(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	asked := &settings{in.S3BucketName, in.S3KeyPrefix, in.SnsTopicName, in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn, in.KmsKeyId,
		in.IncludeGlobalServiceEvents, in.IsMultiRegionTrail, in.IsOrganizationTrail, in.EnableLogFileValidation}
	if own := aws.RequestOf(ctx); before.Account == own.Account() && before.Region == own.Region { // else change refuses it
		after := *before
		if err := asked.apply(&after); err != nil {
			return nil, err
		}
		if err := s.ofOrganization(ctx, &after); err != nil {
			return nil, err
		}
		if err := s.checkDestinations(ctx, &after, before); err != nil {
			return nil, err
		}
	}
	t, err := s.change(ctx, in.Name, func(tx store.Tx, t *trail) (err error) {
		if err := asked.apply(t); err != nil {
			return err
		}
		if t.Organization != before.Organization {
			if err := s.ofOrganization(ctx, t); err != nil {
				return err
			}
		}
		if t.Validation != before.Validation {
			err = s.restartDigests(ctx, tx, t)
		}
		return errors.Join(err, t.put(tx))
	})
	if err != nil {
		return nil, err
	}
	out := api.UpdateTrailResponse(*t.answer())
	return &out, nil
}

// answer is a trail as those see it who made or changed it.
func (t *trail) answer() *api.CreateTrailResponse {
	d := t.described()
	return &api.CreateTrailResponse{CloudWatchLogsLogGroupArn: d.CloudWatchLogsLogGroupArn, CloudWatchLogsRoleArn: d.CloudWatchLogsRoleArn,
		IncludeGlobalServiceEvents: d.IncludeGlobalServiceEvents, IsMultiRegionTrail: d.IsMultiRegionTrail, IsOrganizationTrail: d.IsOrganizationTrail,
		KmsKeyId: d.KmsKeyId, LogFileValidationEnabled: d.LogFileValidationEnabled, Name: d.Name, S3BucketName: d.S3BucketName, S3KeyPrefix: d.S3KeyPrefix,
		SnsTopicARN: d.SnsTopicARN, SnsTopicName: d.SnsTopicName, TrailARN: d.TrailARN}
}

// deleteTrail forgets a trail with all that it has not delivered.
func (s *Service) deleteTrail(ctx context.Context, in *api.DeleteTrailRequest) (*api.DeleteTrailResponse, error) {
	_, err := s.change(ctx, in.Name, func(tx store.Tx, t *trail) error {
		return errors.Join(trails.Delete(tx, t.scope(), t.Region, t.Name), t.forget(tx))
	})
	return nil, err
}

// settings are what a call says of a trail; nil where it says nothing.
type settings struct {
	bucket, prefix, topic, group, role, key *string
	global, multi, organization, validation *bool
}

func settingsOf(in *api.CreateTrailRequest) *settings {
	return &settings{in.S3BucketName, in.S3KeyPrefix, in.SnsTopicName, in.CloudWatchLogsLogGroupArn, in.CloudWatchLogsRoleArn, in.KmsKeyId,
		in.IncludeGlobalServiceEvents, in.IsMultiRegionTrail, in.IsOrganizationTrail, in.EnableLogFileValidation}
}

// apply changes a trail, if what comes of it can be.
func (a *settings) apply(t *trail) error {
	for _, m := range []struct {
		to   *string
		from *string
	}{{&t.Bucket, a.bucket}, {&t.Prefix, a.prefix}, {&t.Topic, a.topic}, {&t.Group, a.group}, {&t.Role, a.role}, {&t.Key, a.key}} {
		if m.from != nil {
			*m.to = *m.from
		}
	}
	for _, m := range []struct {
		to   *bool
		from *bool
	}{{&t.Global, a.global}, {&t.Multi, a.multi}, {&t.Organization, a.organization}, {&t.Validation, a.validation}} {
		if m.from != nil {
			*m.to = *m.from
		}
	}
	switch t.TopicARN = t.Topic; {
	case t.Topic == "":
	case len(t.Topic) > 256:
		return api.InvalidSnsTopicNameException("SNS topic name is longer than 256 characters.")
	default:
		if _, ok := aws.ParseARN(t.Topic); !ok {
			t.TopicARN = aws.NewARN("sns", t.Region, t.Account, t.Topic).String()
		}
	}
	switch {
	case len(t.Bucket) < 3 || len(t.Bucket) > 255:
		return api.InvalidS3BucketNameException("Bucket name %s is not valid.", cmp.Or(t.Bucket, `""`))
	case len(t.Prefix) > 200:
		return api.InvalidS3PrefixException("S3 prefix is longer than maximum length.")
	case t.Multi && !t.Global:
		return api.InvalidParameterCombinationException("Multi-Region trail must include global service events.")
	case (t.Group == "") != (t.Role == ""):
		return api.InvalidParameterCombinationException("A log group and the role to write to it by are given together, or neither.")
	}
	return nil
}

// ofOrganization looks up the organization of a trail that is for all of it.
func (s *Service) ofOrganization(ctx context.Context, t *trail) error {
	t.OrganizationID = ""
	if !t.Organization {
		return nil
	}
	id, manager, err := s.organization(ctx, t.Account)
	switch {
	case err != nil:
		return err
	case id == "":
		return api.OrganizationsNotInUseException("The account %s is in no organization.", t.Account)
	case manager != t.Account:
		return api.NotOrganizationMasterAccountException("Only the management account of the organization may have a trail for all of it.")
	}
	t.OrganizationID = id
	return nil
}
