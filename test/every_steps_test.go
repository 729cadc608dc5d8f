package test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/tule-cloud/tule/test/tule"
)

// An everyStep is one call of every/steps.txt.
type everyStep struct {
	service, operation string
	input              any
	saves              map[string]string
}

func readSteps(t *testing.T) (out []everyStep) {
	text, err := os.ReadFile(filepath.Join(tule.Root(), "test/every/steps.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		parts := strings.SplitN(line, " ", 3)
		s := everyStep{service: parts[0], operation: parts[1], saves: map[string]string{}}
		dec := json.NewDecoder(strings.NewReader(parts[2]))
		dec.UseNumber()
		if err := dec.Decode(&s.input); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for save := range strings.SplitSeq(strings.TrimSpace(parts[2][dec.InputOffset():]), ",") {
			if name, path, ok := strings.Cut(save, "="); ok {
				s.saves[name] = path
			}
		}
		out = append(out, s)
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// fill puts into an input what is known; bytes become what encoding/json reads as such.
func fill(v any, known map[string]string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, item := range v {
			v[name] = fill(item, known)
		}
	case []any:
		for i, item := range v {
			v[i] = fill(item, known)
		}
	case string:
		if v == "@now" {
			return time.Now().UnixMilli()
		}
		raw, isBytes := strings.CutPrefix(v, "@bytes:")
		if isBytes { // as they stand, for every client
			return base64.StdEncoding.EncodeToString([]byte(raw))
		}
		return placeholder.ReplaceAllStringFunc(v, func(name string) string {
			if text, ok := known[strings.Trim(name, "{}")]; ok {
				return text
			}
			return name
		})
	}
	return v
}

// partAt is a part of an answer, whose members are found by name in either case.
func partAt(answer any, path string) string {
	for key := range strings.SplitSeq(path, ".") {
		switch v := answer.(type) {
		case []any:
			n, _ := strconv.Atoi(key)
			answer = v[n]
		case map[string]any:
			for name, item := range v {
				if strings.EqualFold(name, key) {
					answer = item
				}
			}
		}
	}
	return fmt.Sprint(answer)
}

// call calls an operation of a client by its name, and is the answer as JSON has it.
func call(ctx context.Context, client any, s everyStep) (answer any, err error) {
	method := reflect.ValueOf(client).MethodByName(s.operation)
	if !method.IsValid() {
		return nil, fmt.Errorf("%T has no %s", client, s.operation)
	}
	in := reflect.New(method.Type().In(1).Elem())
	text, err := json.Marshal(s.input)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in.Interface()); err != nil {
		return nil, err
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	if err, _ := out[1].Interface().(error); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(out[0].Interface()); err != nil {
		return nil, err
	}
	return answer, json.Unmarshal(text, &answer)
}

// The Go SDK calls every operation of the services whose own tests call only some, and
// of others what those need: the roles.
func TestEverySteps(t *testing.T) {
	c := newCloud(t)
	c.config.Region = "us-east-1"
	c = cloudOf(t, c.account, c.config)
	config := c.config
	clients := map[string]any{"apigateway": apigateway.NewFromConfig(config), "apigatewayv2": apigatewayv2.NewFromConfig(config),
		"cloudformation": cloudformation.NewFromConfig(config), "ecr": ecr.NewFromConfig(config), "ssm": ssm.NewFromConfig(config),
		"events": eventbridge.NewFromConfig(config), "scheduler": scheduler.NewFromConfig(config), "ses": ses.NewFromConfig(config), "sesv2": sesv2.NewFromConfig(config)}
	roles := iam.NewFromConfig(config)
	allow := `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", `
	known := map[string]string{"account": c.account, "policy": allow + `"Action": "logs:*", "Resource": "*"}}`,
		"trust": allow + `"Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com", "AWS": "*"}}}`}
	for _, s := range readSteps(t) {
		client := clients[s.service]
		if s.service == "iam" && s.operation == "CreateRole" {
			client = roles
		}
		if client == nil {
			continue
		}
		s.input = fill(s.input, known)
		answer, err := call(t.Context(), client, s)
		if err != nil {
			t.Fatalf("%s %s: %v", s.service, s.operation, err)
		}
		for name, path := range s.saves {
			known[name] = partAt(answer, path)
		}
	}
}
