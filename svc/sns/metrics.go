package sns

import "github.com/tule-cloud/tule/aws"

// What SNS measures of itself, for CloudWatch.
// https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html

func (s *Service) measure(at topicRef, name, unit string, v float64) {
	s.Meter.Measure(aws.Measurement{Account: at.scope.Account, Region: at.scope.Region, Namespace: "AWS/SNS", Name: name, Unit: unit,
		Dimensions: []string{"TopicName", at.name}, Value: v})
}

// measurePublished notes messages that were published, and whom filters kept them from.
func (s *Service) measurePublished(at topicRef, list []*outgoing) {
	s.measure(at, "NumberOfMessagesPublished", "Count", float64(len(list)))
	for _, m := range list {
		s.measure(at, "PublishSize", "Bytes", float64(m.size(m.Body)))
		if m.filtered > 0 {
			s.measure(at, "NumberOfNotificationsFilteredOut", "Count", float64(m.filtered))
		}
	}
}

// measureDelivered notes what came of a delivery in the end.
func (s *Service) measureDelivered(at topicRef, m *message, err error) {
	switch {
	case m.Type != notification:
	case err == nil:
		s.measure(at, "NumberOfNotificationsDelivered", "Count", 1)
	default:
		s.measure(at, "NumberOfNotificationsFailed", "Count", 1)
	}
}

// measureRedriven notes whether a dead-letter queue took a message.
func (s *Service) measureRedriven(at topicRef, err error) {
	if err == nil {
		s.measure(at, "NumberOfNotificationsRedrivenToDlq", "Count", 1)
	} else {
		s.measure(at, "NumberOfNotificationsFailedToRedriveToDlq", "Count", 1)
	}
}
