package ses

import (
	"context"
	"slices"
	"strings"

	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	s3api "github.com/tule-cloud/tule/api/s3"
	api "github.com/tule-cloud/tule/api/ses"
	snsapi "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// ruleGuard asks for the roles that a rule hands over, too.
func ruleGuard(ctx context.Context, set *string, rule *api.ReceiptRule) []aws.Access {
	needs := []aws.Access{{Resource: "*"}}
	if rule == nil {
		return needs
	}
	for _, a := range rule.Actions {
		for _, role := range []*string{roleOfS3(a.S3Action), roleOfConnect(a.ConnectAction)} {
			if role != nil {
				needs = append(needs, aws.Access{Action: "iam:PassRole", Resource: *role, Keys: map[string][]string{
					"iam:PassedToService": {principal}, "iam:AssociatedResourceArn": {ruleARN(scopeOf(ctx), aws.Value(set), aws.Value(rule.Name))}}})
			}
		}
	}
	return needs
}

func roleOfS3(a *api.S3Action) *string {
	if a == nil {
		return nil
	}
	return a.IamRoleArn
}

func roleOfConnect(a *api.ConnectAction) *string {
	if a == nil {
		return nil
	}
	return a.IAMRoleARN
}

func guardCreateRule(ctx context.Context, in *api.CreateReceiptRuleRequest) ([]aws.Access, error) {
	return ruleGuard(ctx, in.RuleSetName, in.Rule), nil
}

func guardUpdateRule(ctx context.Context, in *api.UpdateReceiptRuleRequest) ([]aws.Access, error) {
	return ruleGuard(ctx, in.RuleSetName, in.Rule), nil
}

func ruleARN(scope store.Scope, set, rule string) string {
	return aws.NewARN("ses", scope.Region, scope.Account, "receipt-rule-set/"+set+":receipt-rule/"+rule).String()
}

// checkRule holds a rule against AWS's rules, fills what it leaves out, and makes sure
// that SES may do what it says.
func (s *Service) checkRule(ctx context.Context, set string, rule *api.ReceiptRule) error {
	if !receiptName.MatchString(*rule.Name) {
		return invalid("Invalid rule name: %s", *rule.Name)
	}
	if len(rule.Actions) > maxActions {
		return api.LimitExceededException("Number of actions exceeds limit: %d", maxActions)
	}
	for _, to := range rule.Recipients {
		address := strings.TrimPrefix(to, ".")
		if strings.Contains(to, "@") && checkAddress(to) != nil || !strings.Contains(to, "@") && checkDomain(address) != nil {
			return invalid("Not a valid recipient: %s", to)
		}
	}
	for _, field := range []**bool{&rule.Enabled, &rule.ScanEnabled} {
		if *field == nil {
			*field = new(bool)
		}
	}
	if rule.TlsPolicy == nil {
		rule.TlsPolicy = new(api.TlsPolicyOptional)
	}
	scope := scopeOf(ctx)
	for i := range rule.Actions {
		if err := s.checkAction(s.actingRule(ctx, scope, scope.Region, set, *rule.Name), &rule.Actions[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkAction tries an action: it writes a note to a bucket, and looks whether it may
// invoke a function.
func (s *Service) checkAction(ctx context.Context, a *api.ReceiptAction) error {
	n := 0
	for _, given := range []bool{a.AddHeaderAction != nil, a.BounceAction != nil, a.ConnectAction != nil, a.LambdaAction != nil, a.S3Action != nil, a.SNSAction != nil, a.StopAction != nil, a.WorkmailAction != nil} {
		if given {
			n++
		}
	}
	if n != 1 {
		return invalid("Each action must have exactly one type")
	}
	switch {
	case a.S3Action != nil:
		key := aws.Value(a.S3Action.ObjectKeyPrefix) + "AMAZON_SES_SETUP_NOTIFICATION"
		err := s.putReceived(ctx, a.S3Action, key, []byte("You have chosen to have Amazon SES deliver mail to this bucket.\n"))
		if err != nil {
			return api.InvalidS3ConfigurationException("Could not write to bucket: %s", *a.S3Action.BucketName).With(&api.InvalidS3ConfigurationExceptionDetail{Bucket: a.S3Action.BucketName}).Because(err)
		}
	case a.LambdaAction != nil:
		if a.LambdaAction.InvocationType == nil {
			a.LambdaAction.InvocationType = new(api.InvocationTypeEvent)
		}
		dry := lambdaapi.InvocationTypeDryRun
		if _, err := lambdaapi.Invoke.Do(ctx, s.Peers, &lambdaapi.InvocationRequest{FunctionName: a.LambdaAction.FunctionArn, InvocationType: &dry}); err != nil {
			return api.InvalidLambdaFunctionException("Could not invoke Lambda function: %s", *a.LambdaAction.FunctionArn).With(&api.InvalidLambdaFunctionExceptionDetail{FunctionArn: a.LambdaAction.FunctionArn}).Because(err)
		}
	case a.SNSAction != nil && a.SNSAction.Encoding == nil:
		a.SNSAction.Encoding = new(api.SNSActionEncodingUtf8)
	}
	if topic := topicOfAction(a); topic != nil {
		if arn, ok := aws.ParseARN(*topic); !ok || arn.Service != "sns" {
			return api.InvalidSnsTopicException("Invalid SNS topic: %s", *topic).With(&api.InvalidSnsTopicExceptionDetail{Topic: topic})
		}
		_, err := snsapi.Publish.Do(ctx, s.Peers, &snsapi.PublishInput{TopicArn: topic, Message: new("Successfully validated SNS topic for Amazon SES event publishing.")})
		if err != nil {
			return api.InvalidSnsTopicException("Could not publish to SNS topic: %s", *topic).With(&api.InvalidSnsTopicExceptionDetail{Topic: topic}).Because(err)
		}
	}
	return nil
}

// topicOfAction is the topic that an action tells; nil for none.
func topicOfAction(a *api.ReceiptAction) *string {
	switch {
	case a.SNSAction != nil:
		return a.SNSAction.TopicArn
	case a.S3Action != nil:
		return a.S3Action.TopicArn
	case a.LambdaAction != nil:
		return a.LambdaAction.TopicArn
	case a.BounceAction != nil:
		return a.BounceAction.TopicArn
	case a.StopAction != nil:
		return a.StopAction.TopicArn
	case a.WorkmailAction != nil:
		return a.WorkmailAction.TopicArn
	}
	return nil
}

// putReceived writes an object for an action, as SES or under the action's role.
func (s *Service) putReceived(ctx context.Context, a *api.S3Action, key string, body []byte) error {
	if a.IamRoleArn != nil {
		var err error
		if ctx, err = s.assume(ctx, *a.IamRoleArn); err != nil {
			return err
		}
	}
	size := int64(len(body))
	_, err := s3api.PutObject.Do(ctx, s.Peers, &s3api.PutObjectRequest{Bucket: a.BucketName, Key: &key, Body: strings.NewReader(string(body)), ContentLength: &size})
	return err
}

// place is where a rule goes: behind the one that is named, or at the head.
func (set *receiptSet) place(after *string) (int, error) {
	if aws.Value(after) == "" {
		return 0, nil
	}
	i := set.index(*after)
	if i < 0 {
		return 0, noReceiptRule(*after)
	}
	return i + 1, nil
}

func (s *Service) createReceiptRule(ctx context.Context, in *api.CreateReceiptRuleRequest) (*api.CreateReceiptRuleResponse, error) {
	if err := s.changeReceiptSet(ctx, *in.RuleSetName, func(*receiptSet) error { return nil }); err != nil {
		return nil, err // before anything is tried
	}
	if err := s.checkRule(ctx, *in.RuleSetName, in.Rule); err != nil {
		return nil, err
	}
	return nil, s.changeReceiptSet(ctx, *in.RuleSetName, func(set *receiptSet) error {
		if set.index(*in.Rule.Name) >= 0 {
			return existsAlready("Rule", *in.Rule.Name)
		}
		if len(set.Rules) >= maxRules {
			return api.LimitExceededException("Number of rules exceeds limit: %d", maxRules)
		}
		at, err := set.place(in.After)
		if err == nil {
			set.Rules = slices.Insert(set.Rules, at, *in.Rule)
		}
		return err
	})
}

func (s *Service) updateReceiptRule(ctx context.Context, in *api.UpdateReceiptRuleRequest) (*api.UpdateReceiptRuleResponse, error) {
	if err := s.checkRule(ctx, *in.RuleSetName, in.Rule); err != nil {
		return nil, err
	}
	return nil, s.changeReceiptSet(ctx, *in.RuleSetName, func(set *receiptSet) error {
		i := set.index(*in.Rule.Name)
		if i < 0 {
			return noReceiptRule(*in.Rule.Name)
		}
		set.Rules[i] = *in.Rule
		return nil
	})
}

func (s *Service) deleteReceiptRule(ctx context.Context, in *api.DeleteReceiptRuleRequest) (*api.DeleteReceiptRuleResponse, error) {
	return nil, s.changeReceiptSet(ctx, *in.RuleSetName, func(set *receiptSet) error {
		set.Rules = slices.DeleteFunc(set.Rules, func(r api.ReceiptRule) bool { return *r.Name == *in.RuleName })
		return nil
	})
}

func (s *Service) describeReceiptRule(ctx context.Context, in *api.DescribeReceiptRuleRequest) (*api.DescribeReceiptRuleResponse, error) {
	out := &api.DescribeReceiptRuleResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		set, err := getReceiptSet(ctx, r, scopeOf(ctx), *in.RuleSetName)
		if err != nil {
			return err
		}
		i := set.index(*in.RuleName)
		if i < 0 {
			return noReceiptRule(*in.RuleName)
		}
		out.Rule = &set.Rules[i]
		return nil
	})
}

func (s *Service) setReceiptRulePosition(ctx context.Context, in *api.SetReceiptRulePositionRequest) (*api.SetReceiptRulePositionResponse, error) {
	return nil, s.changeReceiptSet(ctx, *in.RuleSetName, func(set *receiptSet) error {
		i := set.index(*in.RuleName)
		if i < 0 {
			return noReceiptRule(*in.RuleName)
		}
		rule := set.Rules[i]
		set.Rules = slices.Delete(set.Rules, i, i+1)
		at, err := set.place(in.After)
		if err == nil {
			set.Rules = slices.Insert(set.Rules, at, rule)
		}
		return err
	})
}
