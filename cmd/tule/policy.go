package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
)

func policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Write the least policy for what a role or user has done, or check one",
	}
	c.AddCommand(generateCommand(), checkCommand())
	return c
}

func generateCommand() *cobra.Command {
	var t trail
	var role, user, since string
	c := &cobra.Command{
		Use:   "generate",
		Short: "Write the least policy that allows what a role or user has done",
		Long: "Generate prints a policy that allows what the role or user has done since then, and no\n" +
			"more. What was denied is not in it: run Tule with --iam=audit to let it pass first.",
		Example: "  tule policy generate --role web --since 1h > web.json\n  tule policy generate --user ann --since 30d",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if (role == "") == (user == "") {
				return errors.New("name a role with --role, or a user with --user")
			}
			from, err := parseSince(since)
			if err != nil {
				return err
			}
			return t.generate(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), role, user, from)
		},
	}
	t.flags(c)
	f := c.Flags()
	f.StringVar(&role, "role", "", "the role's name")
	f.StringVar(&user, "user", "", "the user's name")
	f.StringVar(&since, "since", "1h", "from when on: 1h, 30d, 2026-01-02T03:04:05Z; 90 days at most")
	return c
}

func (t *trail) generate(ctx context.Context, out, notes io.Writer, role, user string, since time.Time) error {
	c, err := t.client(t.region)
	if err != nil {
		return err
	}
	query := url.Values{"since": {since.UTC().Format(time.RFC3339)}}
	who := "role " + role
	if query.Set("role", role); user != "" {
		query.Set("user", user)
		who = "user " + user
	}
	var answer struct {
		Principals []string
		Uses       []aws.Use
	}
	if err := c.get(ctx, "cloudtrail", "/_tule/activity?"+query.Encode(), &answer); err != nil {
		return err
	}
	if len(answer.Uses) == 0 {
		return fmt.Errorf("the %s has done nothing since %s that needed a permission and had it\n"+
			"  · Further back: --since 30d\n"+
			"  · What was denied is not counted. Start Tule with --iam=audit, let it work, and ask again.", who, since.UTC().Format(time.RFC3339))
	}
	for _, u := range answer.Uses {
		if u.Wide {
			fmt.Fprintf(notes, "%s %s was used on too many resources to name each; %s stands for them\n", paint(notes, yellow, "note:"), u.Action, u.Resource)
		}
	}
	text, err := leastPolicy(answer.Uses)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// A generated statement allows actions of one service on the same resources.
type generated struct {
	Sid      string
	Effect   string
	Action   []string
	Resource []string
}

// leastPolicy is the policy that allows uses and nothing else: a statement for each set
// of resources of a service, in the order of services, then of actions.
func leastPolicy(uses []aws.Use) ([]byte, error) {
	resources := map[string]map[string]bool{} // by action
	for _, u := range uses {
		if resources[u.Action] == nil {
			resources[u.Action] = map[string]bool{}
		}
		resources[u.Action][resourcePattern(u)] = true
	}
	var statements []generated
	place := map[string]int{} // of a statement, by service and resources
	for _, action := range slices.Sorted(maps.Keys(resources)) {
		on := slices.Sorted(maps.Keys(resources[action]))
		on = withoutCovered(on)
		service, _, _ := strings.Cut(action, ":")
		key := service + "\x00" + strings.Join(on, "\x00")
		i, ok := place[key]
		if !ok {
			i = len(statements)
			place[key] = i
			statements = append(statements, generated{Effect: "Allow", Resource: on})
		}
		statements[i].Action = append(statements[i].Action, action)
	}
	number := map[string]int{}
	for i := range statements {
		service, _, _ := strings.Cut(statements[i].Action[0], ":")
		number[service]++
		statements[i].Sid = sid(service, number[service])
	}
	doc := struct {
		Version   string
		Statement []generated
	}{policy.Version2012, statements}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// sid is a statement's name: Dynamodb, Dynamodb2.
func sid(service string, n int) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(service))
	name = cmp.Or(name, "service")
	name = strings.ToUpper(name[:1]) + name[1:]
	if n > 1 {
		name += fmt.Sprint(n)
	}
	return name
}

// resourcePattern is a use's resource as a policy names it: what is a wildcard to a
// policy but part of a resource's own name is written so that it is not one.
func resourcePattern(u aws.Use) string {
	literal := strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")
	switch {
	case u.Resource == "*":
		return "*"
	case u.Wide:
		return literal.Replace(strings.TrimSuffix(u.Resource, "*")) + "*"
	}
	return literal.Replace(u.Resource)
}

// withoutCovered leaves out of sorted patterns what "*" among them stands for.
func withoutCovered(patterns []string) []string {
	if slices.Contains(patterns, "*") {
		return []string{"*"}
	}
	return patterns
}

// checked are the kinds of policy that `tule policy check` knows, and what holds for them.
var checked = map[string]policy.Rules{
	"identity": {Kind: policy.Identity, MaxSize: 6144, IgnoreSpace: true},
	"resource": {Kind: policy.Resource},
	"trust":    {Kind: policy.Trust, MaxSize: 2048, IgnoreSpace: true},
	"boundary": {Kind: policy.Boundary, MaxSize: 6144, IgnoreSpace: true},
	"scp":      {Kind: policy.ServiceControl, MaxSize: 5120},
	"rcp":      {Kind: policy.ResourceControl, MaxSize: 5120},
}

func checkCommand() *cobra.Command {
	var kind string
	c := &cobra.Command{
		Use:     "check FILE",
		Short:   "Check a policy's grammar, with line and column",
		Long:    "Check reads a policy as Tule's services do and says where it is wrong. FILE may be -.",
		Example: "  tule policy check web.json\n  tule policy check --kind trust - < trust.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			rules, ok := checked[kind]
			if !ok {
				return fmt.Errorf("--kind %s: choose one of %s", kind, strings.Join(slices.Sorted(maps.Keys(checked)), ", "))
			}
			text, err := readPolicy(args[0], c.InOrStdin())
			if err != nil {
				return err
			}
			if err := checkPolicy(args[0], text, rules); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), paint(c.OutOrStdout(), green, "ok"), args[0])
			return nil
		},
	}
	c.Flags().StringVar(&kind, "kind", "identity", "what it is for: identity, resource, trust, boundary, scp or rcp")
	return c
}

// readPolicy reads a file, or standard input, up to a byte more than a policy may have.
func readPolicy(name string, in io.Reader) (string, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, policy.MaxDocument+1))
	return string(text), err
}

// checkPolicy says what is wrong, as compilers do: file:line:column: what.
func checkPolicy(name, text string, rules policy.Rules) error {
	doc, err := policy.Parse(text)
	if err == nil {
		err = doc.Validate(rules)
	}
	var wrong *policy.Error
	if !errors.As(err, &wrong) {
		return err
	}
	what := wrong.Message
	if wrong.Detail != "" {
		what += " " + wrong.Detail
	}
	if wrong.Line == 0 {
		return fmt.Errorf("%s: %s", name, what)
	}
	return fmt.Errorf("%s:%d:%d: %s", name, wrong.Line, wrong.Column, what)
}
