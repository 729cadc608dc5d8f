package logs

import (
	"slices"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return slices.Concat(s.groupRoutes(), s.eventRoutes(), s.policyRoutes(), s.subscriptionRoutes(), s.queryRoutes(), s.deliveryRoutes())
}

func (s *Service) groupRoutes() []aws.Route {
	return []aws.Route{
		api.CreateLogGroup.To(s.createLogGroup, s.guardCreateLogGroup),
		api.DeleteLogGroup.To(s.deleteLogGroup, onGroup(s, func(in *api.DeleteLogGroupRequest) *string { return in.LogGroupName })),
		api.ListLogGroups.To(s.listLogGroups, aws.Anywhere),
		api.DescribeLogGroups.To(s.describeLogGroups, guardAllGroups),
		api.PutLogGroupDeletionProtection.To(s.putLogGroupDeletionProtection, onGroup(s, func(in *api.PutLogGroupDeletionProtectionRequest) *string { return in.LogGroupIdentifier })),
		api.PutRetentionPolicy.To(s.putRetentionPolicy, onGroup(s, func(in *api.PutRetentionPolicyRequest) *string { return in.LogGroupName })),
		api.DeleteRetentionPolicy.To(s.deleteRetentionPolicy, onGroup(s, func(in *api.DeleteRetentionPolicyRequest) *string { return in.LogGroupName })),

		api.CreateLogStream.To(s.createLogStream, onStream(s, func(in *api.CreateLogStreamRequest) (*string, *string) { return in.LogGroupName, in.LogStreamName })),
		api.DeleteLogStream.To(s.deleteLogStream, onStream(s, func(in *api.DeleteLogStreamRequest) (*string, *string) { return in.LogGroupName, in.LogStreamName })),
		api.DescribeLogStreams.To(s.describeLogStreams, onGroup(s, func(in *api.DescribeLogStreamsRequest) *string { return either(in.LogGroupName, in.LogGroupIdentifier) })),

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

func (s *Service) eventRoutes() []aws.Route {
	return []aws.Route{
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

		api.StartLiveTail.To(s.startLiveTail, onGroups(s, func(in *api.StartLiveTailRequest) []string { return in.LogGroupIdentifiers })),
		api.CreateExportTask.To(s.createExportTask, onGroup(s, func(in *api.CreateExportTaskRequest) *string { return in.LogGroupName })),
		api.DescribeExportTasks.To(s.describeExportTasks, aws.Anywhere),
		api.CancelExportTask.To(s.cancelExportTask, aws.Anywhere),
	}
}

// policyRoutes are those of what groups are subject to.
func (s *Service) policyRoutes() []aws.Route {
	return []aws.Route{
		api.AssociateKmsKey.To(s.associateKmsKey, onGroup(s, func(in *api.AssociateKmsKeyRequest) *string {
			return keyedGroup(in.LogGroupName, in.ResourceIdentifier)
		})),
		api.DisassociateKmsKey.To(s.disassociateKmsKey, onGroup(s, func(in *api.DisassociateKmsKeyRequest) *string {
			return keyedGroup(in.LogGroupName, in.ResourceIdentifier)
		})),
		api.PutIndexPolicy.To(s.putIndexPolicy, aws.Anywhere),
		api.DeleteIndexPolicy.To(s.deleteIndexPolicy, aws.Anywhere),
		api.DescribeIndexPolicies.To(s.describeIndexPolicies, aws.Anywhere),
		api.DescribeFieldIndexes.To(s.describeFieldIndexes, aws.Anywhere),

		api.PutAccountPolicy.To(s.putAccountPolicy, s.guardPutAccountPolicy),
		api.DescribeAccountPolicies.To(s.describeAccountPolicies, aws.Anywhere),
		api.DeleteAccountPolicy.To(s.deleteAccountPolicy, aws.Anywhere),
		api.PutResourcePolicy.To(s.putResourcePolicy, aws.Anywhere),
		api.DescribeResourcePolicies.To(s.describeResourcePolicies, aws.Anywhere),
		api.DeleteResourcePolicy.To(s.deleteResourcePolicy, aws.Anywhere),
	}
}

func (s *Service) subscriptionRoutes() []aws.Route {
	return []aws.Route{
		api.PutSubscriptionFilter.To(s.putSubscriptionFilter, s.guardPutSubscriptionFilter),
		api.DescribeSubscriptionFilters.To(s.describeSubscriptionFilters, onGroup(s, func(in *api.DescribeSubscriptionFiltersRequest) *string { return in.LogGroupName })),
		api.DeleteSubscriptionFilter.To(s.deleteSubscriptionFilter, onGroup(s, func(in *api.DeleteSubscriptionFilterRequest) *string { return in.LogGroupName })),
		api.PutDestination.To(s.putDestination, s.guardPutDestination),
		api.PutDestinationPolicy.To(s.putDestinationPolicy, named(s, "destination", func(in *api.PutDestinationPolicyRequest) *string { return in.DestinationName }, nil)),
		api.DescribeDestinations.To(s.describeDestinations, aws.Anywhere),
		api.DeleteDestination.To(s.deleteDestination, named(s, "destination", func(in *api.DeleteDestinationRequest) *string { return in.DestinationName }, nil)),
	}
}

func (s *Service) queryRoutes() []aws.Route {
	return []aws.Route{
		api.StartQuery.To(s.startQuery, onGroups(s, func(in *api.StartQueryRequest) []string {
			ids := append(slices.Clone(in.LogGroupNames), in.LogGroupIdentifiers...)
			if in.LogGroupName != nil {
				ids = append(ids, *in.LogGroupName)
			}
			return ids
		})),
		api.StopQuery.To(s.stopQuery, aws.Anywhere),
		api.GetQueryResults.To(s.getQueryResults, s.guardQuery),
		api.DescribeQueries.To(s.describeQueries, aws.Anywhere),
		api.ListLogGroupsForQuery.To(s.listLogGroupsForQuery, aws.Anywhere),
		api.GetLogGroupFields.To(s.getLogGroupFields, onGroup(s, func(in *api.GetLogGroupFieldsRequest) *string { return either(in.LogGroupName, in.LogGroupIdentifier) })),
		api.GetLogRecord.To(s.getLogRecord, s.guardGetLogRecord),
		api.PutQueryDefinition.To(s.putQueryDefinition, aws.Anywhere),
		api.DescribeQueryDefinitions.To(s.describeQueryDefinitions, aws.Anywhere),
		api.DeleteQueryDefinition.To(s.deleteQueryDefinition, aws.Anywhere),
	}
}

// deliveryRoutes are those of what is kept for vended logs.
func (s *Service) deliveryRoutes() []aws.Route {
	return []aws.Route{
		api.PutDeliverySource.To(s.putDeliverySource, s.guardPutDeliverySource),
		api.GetDeliverySource.To(s.getDeliverySource, named(s, "delivery-source", func(in *api.GetDeliverySourceRequest) *string { return in.Name }, nil)),
		api.DescribeDeliverySources.To(s.describeDeliverySources, aws.Anywhere),
		api.DeleteDeliverySource.To(s.deleteDeliverySource, named(s, "delivery-source", func(in *api.DeleteDeliverySourceRequest) *string { return in.Name }, nil)),
		api.PutDeliveryDestination.To(s.putDeliveryDestination, s.guardPutDeliveryDestination),
		api.GetDeliveryDestination.To(s.getDeliveryDestination, named(s, "delivery-destination", func(in *api.GetDeliveryDestinationRequest) *string { return in.Name }, nil)),
		api.DescribeDeliveryDestinations.To(s.describeDeliveryDestinations, aws.Anywhere),
		api.DeleteDeliveryDestination.To(s.deleteDeliveryDestination, named(s, "delivery-destination", func(in *api.DeleteDeliveryDestinationRequest) *string { return in.Name }, nil)),
		api.PutDeliveryDestinationPolicy.To(s.putDeliveryDestinationPolicy, named(s, "delivery-destination", func(in *api.PutDeliveryDestinationPolicyRequest) *string { return in.DeliveryDestinationName }, nil)),
		api.GetDeliveryDestinationPolicy.To(s.getDeliveryDestinationPolicy, named(s, "delivery-destination", func(in *api.GetDeliveryDestinationPolicyRequest) *string { return in.DeliveryDestinationName }, nil)),
		api.DeleteDeliveryDestinationPolicy.To(s.deleteDeliveryDestinationPolicy, named(s, "delivery-destination", func(in *api.DeleteDeliveryDestinationPolicyRequest) *string { return in.DeliveryDestinationName }, nil)),
		api.CreateDelivery.To(s.createDelivery, s.guardCreateDelivery),
		api.GetDelivery.To(s.getDelivery, named(s, "delivery", func(in *api.GetDeliveryRequest) *string { return in.Id }, nil)),
		api.DescribeDeliveries.To(s.describeDeliveries, aws.Anywhere),
		api.UpdateDeliveryConfiguration.To(s.updateDeliveryConfiguration, s.guardUpdateDelivery),
		api.DeleteDelivery.To(s.deleteDelivery, named(s, "delivery", func(in *api.DeleteDeliveryRequest) *string { return in.Id }, nil)),
	}
}
