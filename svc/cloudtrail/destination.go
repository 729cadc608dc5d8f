package cloudtrail

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	logsapi "github.com/tule-cloud/tule/api/logs"
	s3api "github.com/tule-cloud/tule/api/s3"
	snsapi "github.com/tule-cloud/tule/api/sns"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
)

// principal is CloudTrail, in the policies of buckets, topics and roles.
const principal = "cloudtrail.amazonaws.com"

// acting is a context in which CloudTrail itself calls, for a trail.
func (s *Service) acting(ctx context.Context, t *trail, region string) context.Context {
	return aws.WithRequest(ctx, &aws.Request{ID: aws.RandomUUID(s.Random), Region: region, Time: s.Clock.Now(), Scheme: "https",
		Caller: aws.ServiceCaller(principal, t.Account, t.arn()), Via: []string{principal}})
}

// root is what the keys of a trail's objects of an account begin with.
func (t *trail) root(account string) string {
	root := "AWSLogs/" + account + "/"
	if t.Organization {
		root = "AWSLogs/" + t.OrganizationID + "/" + account + "/"
	}
	if t.Prefix != "" {
		root = strings.TrimSuffix(t.Prefix, "/") + "/" + root
	}
	return root
}

// checkDestinations tries whether CloudTrail may put things where a trail says, as far
// as that is not where they went before.
func (s *Service) checkDestinations(ctx context.Context, t, before *trail) error {
	if s.Peers == nil {
		return api.S3BucketDoesNotExistException("S3 bucket %s does not exist!", t.Bucket)
	}
	if t.Bucket != before.Bucket || t.Prefix != before.Prefix || t.Key != before.Key || t.OrganizationID != before.OrganizationID {
		if err := s.checkBucket(ctx, t); err != nil {
			return err
		}
	}
	if t.TopicARN != before.TopicARN && t.TopicARN != "" {
		if err := s.publish(ctx, t, "CloudTrail validation message."); err != nil {
			return blame(err, api.InsufficientSnsTopicPolicyException("SNS Topic does not exist or the topic policy is incorrect!"))
		}
	}
	if (t.Group != before.Group || t.Role != before.Role) && t.Group != "" {
		return s.checkGroup(ctx, t)
	}
	return nil
}

// checkBucket asks for the bucket, and makes the folder of the trail's files in it.
func (s *Service) checkBucket(ctx context.Context, t *trail) error {
	_, err := s3api.GetBucketAcl.Do(s.acting(ctx, t, t.Region), s.Peers, &s3api.GetBucketAclRequest{Bucket: &t.Bucket})
	if aws.CodeOf(err) == "NoSuchBucket" {
		return api.S3BucketDoesNotExistException("S3 bucket %s does not exist!", t.Bucket).Because(err)
	}
	if err == nil {
		err = s.putFile(ctx, t, t.root(t.Account)+"CloudTrail/", nil, nil)
	}
	if code := aws.CodeOf(err); strings.HasPrefix(code, "KMS") || strings.HasPrefix(code, "Kms") {
		return api.KmsKeyNotFoundException("The KMS key %s cannot be used.", t.Key).Because(err)
	}
	return blame(err, api.InsufficientS3BucketPolicyException("Incorrect S3 bucket policy is detected for bucket: %s", t.Bucket))
}

// blame answers what the caller did wrong in the place of what another service refused
// CloudTrail; a fault of Tule's stays one.
func blame(err error, as *aws.Error) error {
	var e *aws.Error
	if err == nil || !errors.As(err, &e) || e.Server() {
		return err
	}
	return as.Because(err)
}

// putFile puts an object into a trail's bucket, as the bucket's policy lets it.
func (s *Service) putFile(ctx context.Context, t *trail, key string, body []byte, metadata map[string]string) error {
	in := &s3api.PutObjectRequest{Bucket: &t.Bucket, Key: &key, Body: bytes.NewReader(body), ContentLength: new(int64(len(body))), Metadata: metadata,
		ACL: new("bucket-owner-full-control"), ContentType: new("application/json"), ServerSideEncryption: new("AES256")}
	if body != nil {
		in.ContentEncoding = new("gzip")
	}
	if t.Key != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId = new("aws:kms"), &t.Key
	}
	_, err := s3api.PutObject.Do(s.acting(ctx, t, t.Region), s.Peers, in)
	return err
}

// publish tells a trail's topic.
func (s *Service) publish(ctx context.Context, t *trail, message string) error {
	a, ok := aws.ParseARN(t.TopicARN)
	if !ok {
		return api.InvalidSnsTopicNameException("SNS topic %s is not valid.", t.Topic)
	}
	_, err := snsapi.Publish.Do(s.acting(ctx, t, a.Region), s.Peers, &snsapi.PublishInput{TopicArn: &t.TopicARN, Message: &message})
	return err
}

// sessionName names the sessions in which CloudTrail writes to log groups.
const sessionName = "CloudTrail_CloudWatchLogs"

// logging is a context in which the role of a trail acts, the group that it writes to,
// and the stream in it for the events of an account.
func (s *Service) logging(ctx context.Context, t *trail, account string) (as context.Context, group, stream string, err error) {
	a, _ := aws.ParseARN(t.Group)
	group, ok := strings.CutPrefix(strings.TrimSuffix(a.Resource, ":*"), "log-group:")
	if !ok || a.Service != "logs" {
		return nil, "", "", api.InvalidCloudWatchLogsLogGroupArnException("The ARN %s is not that of a log group.", t.Group)
	}
	ctx = s.acting(ctx, t, a.Region)
	out, err := stsapi.AssumeRole.Do(ctx, s.Peers, &stsapi.AssumeRoleRequest{RoleArn: &t.Role, RoleSessionName: new(sessionName)})
	if err != nil {
		return nil, "", "", err
	}
	if out.AssumedRoleUser == nil {
		return nil, "", "", errors.New("AssumeRole answered without a user")
	}
	id, _, _ := strings.Cut(aws.Value(out.AssumedRoleUser.AssumedRoleId), ":")
	caller := aws.RoleSession(t.Role, id, sessionName)
	caller.IssuedAt = s.Clock.Now()
	stream = account + "_CloudTrail_" + t.Region
	if t.Organization {
		stream = t.OrganizationID + "_" + stream
	}
	return aws.WithRequest(ctx, aws.RequestOf(ctx).As(caller)), group, stream, nil
}

// checkGroup tries whether a trail's role may write to its group.
func (s *Service) checkGroup(ctx context.Context, t *trail) error {
	ctx, group, stream, err := s.logging(ctx, t, t.Account)
	if aws.CodeOf(err) == "InvalidCloudWatchLogsLogGroupArnException" {
		return err
	}
	if err != nil {
		return blame(err, api.InvalidCloudWatchLogsRoleArnException("Access denied. Check the trust relationships for your role."))
	}
	_, err = logsapi.CreateLogStream.Do(ctx, s.Peers, &logsapi.CreateLogStreamRequest{LogGroupName: &group, LogStreamName: &stream})
	if code := aws.CodeOf(err); code == "ResourceAlreadyExistsException" {
		return nil
	} else if code == "ResourceNotFoundException" {
		return api.InvalidCloudWatchLogsLogGroupArnException("CloudTrail cannot find the log group %s.", t.Group).Because(err)
	}
	return blame(err, api.InvalidCloudWatchLogsRoleArnException("Access denied. Check the permissions for your role."))
}

// What one call of PutLogEvents takes.
const (
	logEventsAtOnce = 10_000
	logBytesAtOnce  = 1 << 20
	logEventBytes   = 256 << 10
	logEventCost    = 26
)

// writeLog puts events into a trail's log group, in their order; not those that are too
// long, as on AWS.
func (s *Service) writeLog(ctx context.Context, t *trail, account string, events []pending) error {
	ctx, group, stream, err := s.logging(ctx, t, account)
	if err != nil {
		return err
	}
	in := &logsapi.PutLogEventsRequest{LogGroupName: &group, LogStreamName: &stream}
	size := 0
	put := func() error {
		if len(in.LogEvents) == 0 {
			return nil
		}
		_, err := logsapi.PutLogEvents.Do(ctx, s.Peers, in)
		if aws.CodeOf(err) == "ResourceNotFoundException" {
			if _, err = logsapi.CreateLogStream.Do(ctx, s.Peers, &logsapi.CreateLogStreamRequest{LogGroupName: &group, LogStreamName: &stream}); err == nil {
				_, err = logsapi.PutLogEvents.Do(ctx, s.Peers, in)
			}
		}
		in.LogEvents, size = nil, 0
		return err
	}
	var last time.Time
	for i := range events {
		e := &events[i]
		if len(e.Body)+logEventCost > logEventBytes {
			continue
		}
		if len(in.LogEvents) == logEventsAtOnce || size+len(e.Body)+logEventCost > logBytesAtOnce || e.At.Sub(first(in.LogEvents, e.At)) > 23*time.Hour {
			if err := put(); err != nil {
				return err
			}
		}
		if e.At.After(last) {
			last = e.At // PutLogEvents wants them in order
		}
		in.LogEvents = append(in.LogEvents, logsapi.InputLogEvent{Message: new(string(e.Body)), Timestamp: new(last.UnixMilli())})
		size += len(e.Body) + logEventCost
	}
	return put()
}

// first is the time of the first of events that wait to be put, or else a time given.
func first(events []logsapi.InputLogEvent, or time.Time) time.Time {
	if len(events) == 0 {
		return or
	}
	return time.UnixMilli(*events[0].Timestamp)
}
