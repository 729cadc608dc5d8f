package logs

import (
	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.CreateLogGroup.To(s.createLogGroup, s.guardCreateLogGroup),
		api.DeleteLogGroup.To(s.deleteLogGroup, onGroup(s, func(in *api.DeleteLogGroupRequest) *string { return in.LogGroupName })),
		api.DescribeLogGroups.To(s.describeLogGroups, guardAllGroups),
		api.PutLogGroupDeletionProtection.To(s.putLogGroupDeletionProtection, onGroup(s, func(in *api.PutLogGroupDeletionProtectionRequest) *string { return in.LogGroupIdentifier })),
		api.PutRetentionPolicy.To(s.putRetentionPolicy, onGroup(s, func(in *api.PutRetentionPolicyRequest) *string { return in.LogGroupName })),
		api.DeleteRetentionPolicy.To(s.deleteRetentionPolicy, onGroup(s, func(in *api.DeleteRetentionPolicyRequest) *string { return in.LogGroupName })),

		api.CreateLogStream.To(s.createLogStream, onStream(s, func(in *api.CreateLogStreamRequest) (*string, *string) { return in.LogGroupName, in.LogStreamName })),
		api.DeleteLogStream.To(s.deleteLogStream, onStream(s, func(in *api.DeleteLogStreamRequest) (*string, *string) { return in.LogGroupName, in.LogStreamName })),
		api.DescribeLogStreams.To(s.describeLogStreams, onGroup(s, func(in *api.DescribeLogStreamsRequest) *string { return either(in.LogGroupName, in.LogGroupIdentifier) })),

		api.PutLogEvents.To(s.putLogEvents, onStream(s, func(in *api.PutLogEventsRequest) (*string, *string) { return in.LogGroupName, in.LogStreamName })),
		api.GetLogEvents.To(s.getLogEvents, unmasking(onStream(s, func(in *api.GetLogEventsRequest) (*string, *string) {
			return either(in.LogGroupName, in.LogGroupIdentifier), in.LogStreamName
		}), func(in *api.GetLogEventsRequest) *bool { return in.Unmask })),
		api.FilterLogEvents.To(s.filterLogEvents, unmasking(onGroup(s, func(in *api.FilterLogEventsRequest) *string {
			return either(in.LogGroupName, in.LogGroupIdentifier)
		}), func(in *api.FilterLogEventsRequest) *bool { return in.Unmask })),

		api.PutMetricFilter.To(s.putMetricFilter, onGroup(s, func(in *api.PutMetricFilterRequest) *string { return in.LogGroupName })),
		api.DescribeMetricFilters.To(s.describeMetricFilters, onGroup(s, func(in *api.DescribeMetricFiltersRequest) *string { return in.LogGroupName })),
		api.DeleteMetricFilter.To(s.deleteMetricFilter, onGroup(s, func(in *api.DeleteMetricFilterRequest) *string { return in.LogGroupName })),
		api.TestMetricFilter.To(s.testMetricFilter, aws.Anywhere),

		api.TagResource.To(s.tagResource, onResource(s, func(in *api.TagResourceRequest) string { return *in.ResourceArn },
			func(in *api.TagResourceRequest) map[string]string { return in.Tags }, nil)),
		api.UntagResource.To(s.untagResource, onResource(s, func(in *api.UntagResourceRequest) string { return *in.ResourceArn },
			nil, func(in *api.UntagResourceRequest) []string { return in.TagKeys })),
		api.ListTagsForResource.To(s.listTagsForResource, onResource(s, func(in *api.ListTagsForResourceRequest) string { return *in.ResourceArn }, nil, nil)),
		api.TagLogGroup.To(s.tagLogGroup, onTags(s, func(in *api.TagLogGroupRequest) *string { return in.LogGroupName },
			func(in *api.TagLogGroupRequest) map[string]string { return in.Tags }, nil)),
		api.UntagLogGroup.To(s.untagLogGroup, onTags(s, func(in *api.UntagLogGroupRequest) *string { return in.LogGroupName },
			nil, func(in *api.UntagLogGroupRequest) []string { return in.Tags })),
		api.ListTagsLogGroup.To(s.listTagsLogGroup, onGroup(s, func(in *api.ListTagsLogGroupRequest) *string { return in.LogGroupName })),
	}
}
