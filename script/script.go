// Package script runs behaviour written as text against services in one process.
// A test hands it a folder; each file there is a scenario on an empty store:
//
//	dynamodb CreateTable save=(arn:TableDescription.TableArn)
//	{"TableName": "movies", …}
//	----
//	{ … the output, members that are absent left out … }
//
// Inputs are held against the model first, as at the front door; permissions are not
// asked for. An error prints as «Code (status): message». Texts that save has named stand in
// later inputs as {{name}}, and in outputs too. Further directives: `as`
// (account=, region=, arn=, service=) changes the caller, `clock advance=5s` moves
// the clock, `accesses service Operation` prints what a call would need permission
// for. The flag -rewrite writes what came out. Time stands still and chance is a
// fixed sequence, so that the same script always prints the same.
package script

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/wire"
)

// A House is what a service needs to live, in memory.
type House struct {
	Store  *store.Pebble
	Clock  *aws.ManualClock
	Random io.Reader
	routes map[string]aws.Route
	caller aws.Request
	saved  [][2]string // text, name
	ids    int
}

var _ aws.Peers = (*House)(nil)

// New returns a house whose clock stands at 2026-01-02T03:04:05Z, for account
// 000000000000 in us-east-1.
func New() *House {
	clock := aws.NewManualClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	var seed [32]byte
	h := &House{Store: store.Memory(clock), Clock: clock, Random: rand.NewChaCha8(seed), routes: map[string]aws.Route{}}
	h.as("000000000000", "us-east-1")
	return h
}

func (h *House) as(account, region string) {
	h.caller = aws.Request{Region: region, Scheme: "http", Host: "localhost:4566", Caller: aws.Caller{
		Kind: aws.Root, Account: account, ARN: "arn:aws:iam::" + account + ":root", UserID: account}}
}

// Add opens the house to the routes of a service.
func (h *House) Add(routes []aws.Route) {
	for _, r := range routes {
		h.routes[r.Op.Service.Package+" "+r.Op.Name] = r
	}
}

// Call implements aws.Peers, without asking for permission.
func (h *House) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	r, ok := h.routes[op.Service.Package+" "+op.Name]
	if !ok {
		return nil, aws.Unanswered(op)
	}
	if err := wire.Validate(op, in); err != nil {
		return nil, err
	}
	return r.Call(ctx, in)
}

// Context is the context of a call by the scenario's present caller.
func (h *House) Context(ctx context.Context) context.Context {
	h.ids++
	r := h.caller
	r.ID = fmt.Sprintf("00000000-0000-4000-8000-%012d", h.ids)
	r.Time = h.Clock.Now()
	return aws.WithRequest(ctx, &r)
}

// Run runs every scenario below dir. For each, build furnishes an empty house and
// returns the routes of the services in it.
func Run(t *testing.T, dir string, build func(t *testing.T, h *House) []aws.Route) {
	datadriven.Walk(t, dir, func(t *testing.T, path string) {
		h := New()
		t.Cleanup(func() { h.Store.Close() })
		h.Add(build(t, h))
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string { return h.step(t, d) })
	})
}

func (h *House) step(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "as":
		return h.change(d)
	case "clock":
		var by string
		d.ScanArgs(t, "advance", &by)
		dur, err := time.ParseDuration(by)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		h.Clock.Advance(dur)
		return h.Clock.Now().Format(time.RFC3339) + "\n"
	case "accesses":
		return h.accesses(t, d)
	}
	r, in := h.input(t, d, d.Cmd, d.CmdArgs[0].Key)
	var out any
	err := wire.Validate(r.Op, in)
	if err == nil {
		out, err = r.Call(h.Context(t.Context()), in)
	}
	if err != nil {
		return h.mask(printError(err))
	}
	tree, err := show(out)
	if err != nil {
		return h.mask(printError(err))
	}
	h.save(t, d, tree)
	return h.mask(print(tree))
}

func (h *House) input(t *testing.T, d *datadriven.TestData, service, op string) (aws.Route, any) {
	t.Helper()
	r, ok := h.routes[service+" "+op]
	if !ok {
		d.Fatalf(t, "no route %s %s", service, op)
	}
	text := d.Input
	for _, s := range h.saved {
		text = strings.ReplaceAll(text, "{{"+s[1]+"}}", s[0])
	}
	in := r.New()
	if err := read(text, in); err != nil {
		d.Fatalf(t, "input of %s: %v", op, err)
	}
	return r, in
}

func (h *House) change(d *datadriven.TestData) string {
	for _, a := range d.CmdArgs {
		v := strings.Join(a.Vals, ",")
		switch a.Key {
		case "account":
			h.as(v, h.caller.Region)
		case "region":
			h.caller.Region = v
		case "arn":
			h.caller.Caller.ARN, h.caller.Caller.Kind = v, aws.User
		case "service":
			h.caller.Caller = aws.ServiceCaller(v, h.caller.Caller.Account, "")
		}
	}
	return h.caller.Caller.ARN + " in " + h.caller.Region + "\n"
}

func (h *House) accesses(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	r, in := h.input(t, d, d.CmdArgs[0].Key, d.CmdArgs[1].Key)
	ctx := h.Context(t.Context())
	needs, err := r.Guard(ctx, in)
	if err != nil {
		return printError(err)
	}
	var b strings.Builder
	for _, a := range needs {
		fmt.Fprintf(&b, "%s on %s\n", a.Action, a.Resource)
		keys := maps.Clone(a.Keys)
		if a.Tags != nil {
			tags, err := a.Tags(ctx)
			if err != nil {
				return printError(err)
			}
			for k, v := range tags {
				if keys == nil {
					keys = map[string][]string{}
				}
				keys["aws:ResourceTag/"+k] = []string{v}
			}
		}
		if len(keys) > 0 {
			tree, _ := show(keys)
			b.WriteString(print(tree))
		}
	}
	return h.mask(b.String())
}

// save names texts of an output: save=(name:path.to.text,…).
func (h *House) save(t *testing.T, d *datadriven.TestData, tree any) {
	t.Helper()
	for _, a := range d.CmdArgs {
		if a.Key != "save" {
			continue
		}
		for _, v := range a.Vals {
			name, path, _ := strings.Cut(v, ":")
			text, ok := find(tree, path)
			if !ok || text == "" {
				d.Fatalf(t, "save: the output has no text at %q", path)
			}
			h.saved = append(h.saved, [2]string{text, name})
		}
	}
}

func (h *House) mask(out string) string {
	for _, s := range h.saved {
		out = strings.ReplaceAll(out, s[0], "{{"+s[1]+"}}")
	}
	return out
}

func printError(err error) string {
	var e *aws.Error
	if !errors.As(err, &e) {
		return "internal: " + err.Error() + "\n"
	}
	out := fmt.Sprintf("%s (%d): %s\n", e.Code, e.Status, e.Message)
	if e.Detail != nil {
		if tree, err := show(e.Detail); err == nil {
			out += print(tree)
		}
	}
	return out
}
