package lambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// How often a function may be invoked by one chain of requests that led from function
// to function.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
const maxRounds = 16

// maxLineage is how many functions of a chain are remembered: the last ones.
const maxLineage = 32

// A trace is what the trace header of a request says. Functions have it as
// _X_AMZN_TRACE_ID, and AWS's libraries pass it on with the calls that they make.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
type trace struct {
	root    string
	sampled string
	lineage []ancestor
}

// An ancestor is a function in the chain, and how often it was invoked.
type ancestor struct {
	hash  string
	count int
}

// parseTrace reads a trace header. What it does not know is left out.
func parseTrace(header string) trace {
	t := trace{sampled: "0"}
	for part := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Root":
			if validTrace(value) {
				t.root = value
			}
		case "Sampled":
			if value == "1" {
				t.sampled = value
			}
		case "Lineage":
			for text := range strings.SplitSeq(value, "|") {
				hash, count, ok := strings.Cut(text, ":")
				n, err := strconv.Atoi(count)
				if _, bad := hex.DecodeString(hash); ok && err == nil && bad == nil && len(hash) == 8 && n >= 0 && n <= 32767 {
					t.lineage = append(t.lineage, ancestor{hash, n})
				}
			}
		}
	}
	if len(t.lineage) > maxLineage {
		t.lineage = t.lineage[len(t.lineage)-maxLineage:]
	}
	return t
}

// validTrace is for the id of a trace: "1-5759e988-bd862e3fe1be46a994272793".
func validTrace(id string) bool {
	return len(id) <= 64 && strings.Trim(id, "0123456789abcdef-") == "" && id != ""
}

// rounds is how often the chain has come to the function.
func (t trace) rounds(at ref) int {
	for _, a := range t.lineage {
		if a.hash == at.hash() {
			return a.count
		}
	}
	return 0
}

// hash is the function's name within a lineage.
func (r ref) hash() string {
	sum := sha256.Sum256([]byte(r.arn("")))
	return hex.EncodeToString(sum[:4])
}

// through is the header that an invoke of the function goes on with.
func (s *Service) through(header string, at ref) string {
	t := parseTrace(header)
	if t.root == "" {
		t.root = s.traceRoot(s.Clock.Now())
	}
	lineage := []string{}
	for _, a := range t.lineage {
		if a.hash != at.hash() {
			lineage = append(lineage, a.hash+":"+strconv.Itoa(a.count))
		}
	}
	lineage = append(lineage, at.hash()+":"+strconv.Itoa(t.rounds(at)+1))
	return "Root=" + t.root + ";Parent=" + aws.RandomID(s.Random, aws.Hex, 16) + ";Sampled=" + t.sampled + ";Lineage=" + strings.Join(lineage, "|")
}

// checkRecursion refuses an invoke by a chain that has come round too often, unless the
// function may be in one.
func (s *Service) checkRecursion(t *target, header string) error {
	if header == "" || t.function.RecursiveLoop == api.RecursiveLoopAllow || parseTrace(header).rounds(t.at) < maxRounds {
		return nil
	}
	t.count(s, "RecursiveInvocationsDropped", 1)
	return api.RecursiveInvocationException("Lambda has detected your function being invoked in a recursive loop with other AWS resources and stopped your function's invocation.").
		With(&api.RecursiveInvocationExceptionDetail{Type: ptr("User")})
}

func (s *Service) putRecursion(ctx context.Context, in *api.PutFunctionRecursionConfigRequest) (*api.PutFunctionRecursionConfigResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		f, err := s.change(ctx, tx, at)
		if err != nil {
			return err
		}
		f.RecursiveLoop = *in.RecursiveLoop
		return put(tx, functionRecords, at.scope, f, at.name)
	})
	return &api.PutFunctionRecursionConfigResponse{RecursiveLoop: in.RecursiveLoop}, err
}

func (s *Service) getRecursion(ctx context.Context, in *api.GetFunctionRecursionConfigRequest) (*api.GetFunctionRecursionConfigResponse, error) {
	at, err := unqualified(ctx, in.FunctionName)
	if err != nil {
		return nil, err
	}
	var loop string
	err = s.Store.View(ctx, func(r store.Reader) error {
		f, err := s.function(ctx, r, at)
		if err == nil {
			loop = or(f.RecursiveLoop, api.RecursiveLoopTerminate)
		}
		return err
	})
	return &api.GetFunctionRecursionConfigResponse{RecursiveLoop: &loop}, err
}
