package sam

// allow is a statement of a policy.
func allow(action, on any) *dict {
	return object(pair{"Action", action}, pair{"Effect", "Allow"}, pair{"Resource", on})
}

// rolePolicy is a policy within a role.
func rolePolicy(n string, statements ...any) *dict {
	return object(pair{"PolicyName", n}, pair{"PolicyDocument", object(pair{"Statement", statements})})
}

// assumedBy is the policy of a role that a service assumes.
func assumedBy(service string) *dict {
	return object(pair{"Version", "2012-10-17"}, pair{"Statement", []any{object(
		pair{"Action", []any{"sts:AssumeRole"}}, pair{"Effect", "Allow"}, pair{"Principal", object(pair{"Service", []any{service}})})}})
}

// executionRole is the role under which a function runs.
func (f *function) executionRole() *resource {
	basic := "service-role/AWSLambdaBasicExecutionRole"
	if truthy(f.get("DurableConfig")) {
		basic = "service-role/AWSLambdaBasicDurableExecutionRolePolicy"
	}
	arns := []any{f.awsPolicy(basic)}
	if f.traced() {
		arns = append(arns, f.awsPolicy(f.tracePolicy()))
	}
	if truthy(f.get("VpcConfig")) {
		arns = append(arns, f.awsPolicy("service-role/AWSLambdaVPCAccessExecutionRole"))
	}
	var documents []any
	if q, _ := f.get("DeadLetterQueue").(*dict); q.size() > 0 {
		action := map[string]string{"SQS": "sqs:SendMessage", "SNS": "sns:Publish"}[text(q.get("Type"))]
		document := object(pair{"Version", "2012-10-17"}, pair{"Statement", []any{allow(action, q.get("TargetArn"))}})
		documents = append(documents, object(pair{"PolicyName", "DeadLetterQueuePolicy"}, pair{"PolicyDocument", document}))
	}
	r := f.item.role(arns, append(documents, f.policies...), f.tags(nil))
	r.set("AssumeRolePolicyDocument", assumedBy("lambda.amazonaws.com"))
	if d := f.get("AssumeRolePolicyDocument"); d != nil {
		r.set("AssumeRolePolicyDocument", d)
	}
	return r
}

// tracePolicy is what lets a role send traces.
func (t *transform) tracePolicy() string {
	if t.Partition == "aws" {
		return "AWSXrayWriteOnlyAccess"
	}
	return "AWSXRayDaemonWriteAccess"
}

// role is an item's role, with the policies that it names.
func (i *item) role(arns, documents, tags []any) *resource {
	r := newResource("AWS::IAM::Role", i.id+"Role", i.inherited())
	for index, p := range readPolicies(i.get("Policies"), false) {
		switch p.kind {
		case statements:
			documents = append(documents, eitherWay(p.data, func(v any) any {
				return object(pair{"PolicyName", r.id + "Policy" + str(index)}, pair{"PolicyDocument", v})
			}))
		case managedPolicy:
			if arn := i.policyARN(p.data); !contains(arns, arn) {
				arns = append(arns, arn)
			}
		default:
			i.bad("Policy at index %d in the 'Policies' property is not valid", index)
		}
	}
	r.set("ManagedPolicyArns", asAny(arns))
	if len(documents) > 0 {
		r.set("Policies", documents)
	}
	return r.set("Path", i.get("RolePath")).set("PermissionsBoundary", i.get("PermissionsBoundary")).set("Tags", tags)
}

// eitherWay converts a value, or both that a Fn::If has, less those that are no value.
func eitherWay(v any, convert func(any) any) any {
	if !isIf(v) {
		return convert(v)
	}
	list := v.(*dict).get(fnIf).([]any)
	for n := 1; n < 3; n++ {
		if !isNoValue(list[n]) {
			list[n] = convert(list[n])
		}
	}
	return v
}

// policyARN is the ARN of a managed policy: by AWS's own names for its own.
func (t *transform) policyARN(v any) any {
	return eitherWay(v, func(v any) any {
		n, ok := textOf(v)
		if !ok || t.ManagedPolicy == nil {
			return v
		}
		if arn, ok := t.ManagedPolicy(n); ok && arn != "" {
			return arn
		}
		return v
	})
}
