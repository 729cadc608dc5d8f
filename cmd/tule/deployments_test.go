package main

import "testing"

func TestManagedPolicy(t *testing.T) {
	h := newWalk(t).house
	if arn, ok := h.iam.ManagedPolicy("AWSLambdaBasicExecutionRole"); !ok || arn != "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" {
		t.Errorf("%s, %v", arn, ok)
	}
	if arn, ok := h.iam.ManagedPolicy("Nothing"); ok {
		t.Errorf("there is a policy %s", arn)
	}
}
