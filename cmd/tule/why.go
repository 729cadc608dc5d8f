package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tule-cloud/tule/aws"
)

func whyCommand() *cobra.Command {
	var t trail
	c := &cobra.Command{
		Use:   "why REQUEST-ID",
		Short: "Say why a request was denied, or allowed: every policy, step by step",
		Long: "Why shows what became of a request, and of the calls that services made for it: who\n" +
			"asked for what, what each statement of each policy said, and the smallest statement\n" +
			"that would have allowed it. The id is in every answer, as x-amzn-RequestId.",
		Example: "  tule why 6605b081-6f04-41e6-97ac-c34deb0b3dd9\n  tule why 6605b081-6f04-41e6-97ac-c34deb0b3dd9 --account 111111111111",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return t.why(c.Context(), c.OutOrStdout(), strings.TrimSpace(args[0]))
		},
	}
	t.flags(c)
	return c
}

func (t *trail) why(ctx context.Context, out io.Writer, id string) error {
	home, err := t.client(t.region)
	if err != nil {
		return err
	}
	found, err := t.everywhere(ctx, home, id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return unknownRequest(id, home.keys.AccessKeyID)
	}
	byTime(found)
	for i := range found {
		if i > 0 {
			fmt.Fprintln(out)
		}
		whyPrinter{out}.event(&found[i])
	}
	return nil
}

// everywhere looks in the region of the caller and that of global services, and if
// nothing is there in all others.
func (t *trail) everywhere(ctx context.Context, home *client, id string) ([]trailEvent, error) {
	var found []trailEvent
	regions := slices.Concat([]string{home.region, "us-east-1"}, aws.Regions())
	for i, region := range regions {
		if slices.Contains(regions[:i], region) || i > 1 && len(found) > 0 {
			continue
		}
		c, err := t.client(region)
		if err != nil {
			return nil, err
		}
		events, err := c.lookup(ctx, "EventId", id, noTime)
		var refused *apiError
		if errors.As(err, &refused) && i > 1 { // a region may be closed to the caller
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, events...)
	}
	return found, nil
}

// unknownRequest says what to do when the log has nothing.
func unknownRequest(id, key string) error {
	whose := "the account of the access key " + key
	if aws.ValidAccount(key) {
		whose = "account " + key
	}
	return fmt.Errorf("the audit log of %s has no request %s, in any region\n"+
		"  · Is it another account's? tule why %s --account 111111111111\n"+
		"  · Reads and writes of data (GetItem, Invoke, …) are there if they were denied; what was allowed is only counted.\n"+
		"  · Who cannot be told, for a wrong key or signature, is in Tule's own log, not in an account's.\n"+
		"  · Events are kept for 90 days.", whose, id, id)
}

// whyPrinter prints what is known of an event, for people.
type whyPrinter struct{ out io.Writer }

func (p whyPrinter) event(e *trailEvent) {
	verdict, colour := "ALLOWED", green
	switch {
	case e.Additional.Passed:
		verdict, colour = "WOULD BE DENIED", yellow
	case e.denied():
		verdict, colour = "DENIED", red
	case e.ErrorCode != "":
		verdict, colour = "FAILED", yellow
	}
	fmt.Fprintln(p.out, paint(p.out, colour, verdict), paint(p.out, bold, e.action()))
	p.fact("who", e.UserIdentity.who(), e.UserIdentity.ARN, e.UserIdentity.AccessKeyID)
	p.fact("what", e.EventName+" of "+e.EventSource, e.AWSRegion)
	for _, r := range e.Resources {
		p.fact("on", r.ARN)
	}
	p.fact("when", e.EventTime.UTC().Format("2006-01-02 15:04:05 UTC"))
	program, _, _ := strings.Cut(e.UserAgent, " ")
	switch {
	case e.Additional.Within:
		p.fact("from", e.SourceIPAddress, "a call from one service to another")
	case program == e.SourceIPAddress:
		p.fact("from", e.SourceIPAddress)
	default:
		p.fact("from", e.SourceIPAddress, program)
	}
	p.fact("request", e.RequestID)
	if e.ErrorCode != "" {
		p.fact("answer", e.ErrorCode+": "+e.ErrorMessage)
	}
	if len(e.Additional.Decisions) == 0 {
		fmt.Fprintln(p.out, "\n  "+noDecisions(e))
	}
	for i := range e.Additional.Decisions {
		fmt.Fprintln(p.out)
		p.decision(e, &e.Additional.Decisions[i])
	}
}

func noDecisions(e *trailEvent) string {
	if e.denied() {
		return "No policy was asked: the service itself refused."
	}
	return "No policy was asked: the operation needs no permission, or did not come so far, or policies are off (--iam=off)."
}

// fact is a line of what happened; details follow in grey.
func (p whyPrinter) fact(name, value string, details ...string) {
	var rest []string
	for _, d := range details {
		if d != "" && d != value {
			rest = append(rest, d)
		}
	}
	line := fmt.Sprintf("  %s %s", paint(p.out, grey, fmt.Sprintf("%-8s", name)), value)
	if len(rest) > 0 {
		line += paint(p.out, grey, "  "+strings.Join(rest, ", "))
	}
	fmt.Fprintln(p.out, line)
}

// decision is what policies said to one access.
func (p whyPrinter) decision(e *trailEvent, d *trailDecision) {
	mark, colour := "✓", green
	if !d.Allowed {
		mark, colour = "✗", red
	}
	on := ""
	if d.Resource != "*" {
		on = " on " + d.Resource
	}
	fmt.Fprintf(p.out, "  %s %s%s\n", paint(p.out, colour, mark), paint(p.out, bold, d.Action), on)
	if d.Allowed {
		fmt.Fprintln(p.out, "    "+allowedBy(d))
		return
	}
	if d.Evaluation == "" {
		fmt.Fprintln(p.out, "    denied; by which policies is for the caller's own account to see")
		return
	}
	if d.Passed {
		fmt.Fprintln(p.out, "    let pass, since policies are only watched (--iam=audit)")
	}
	p.evaluation(d.Evaluation)
	p.remedy(e, d)
}

func allowedBy(d *trailDecision) string {
	if d.By == "" {
		return "allowed: the root user needs no policy"
	}
	text := "allowed by " + article(d.By) + d.By
	if d.Source != "" {
		text += " " + d.Source + ", " + d.Statement
	}
	return text
}

func article(noun string) string {
	if strings.HasPrefix(noun, "identity") {
		return "an "
	}
	return "a "
}

// evaluation prints the verdict, then each policy with its statements. Statements that
// were about this very action stand out; those that applied most.
func (p whyPrinter) evaluation(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		statement, within := strings.CutPrefix(line, "  ")
		switch {
		case i == 0:
			fmt.Fprintln(p.out, "    "+line)
			if len(lines) == 1 {
				fmt.Fprintln(p.out, "    "+paint(p.out, grey, "there is no policy that says anything"))
			}
		case !within:
			fmt.Fprintln(p.out, "\n    "+line)
		case strings.HasPrefix(statement, "("):
			fmt.Fprintln(p.out, "      "+paint(p.out, grey, statement))
		case strings.HasSuffix(statement, ": applies"):
			colour := green
			if strings.Contains(statement, "(Deny)") {
				colour = red
			}
			fmt.Fprintln(p.out, "      "+paint(p.out, colour, "● "+statement))
		case strings.Contains(statement, "no match: action"):
			fmt.Fprintln(p.out, "      "+paint(p.out, grey, "· "+statement))
		default:
			fmt.Fprintln(p.out, "      "+paint(p.out, yellow, "○ "+statement))
		}
	}
}

// remedy says what would have allowed it.
func (p whyPrinter) remedy(e *trailEvent, d *trailDecision) {
	fmt.Fprintln(p.out)
	if d.Remedy == "" && !strings.Contains(d.Evaluation[:strings.IndexByte(d.Evaluation+"\n", '\n')], "explicit deny") {
		fmt.Fprintln(p.out, "    What would allow it is for the caller's account to see.")
		return
	}
	if d.Remedy == "" {
		where := ""
		if d.Source != "" {
			where = ": " + cmp.Or(d.Statement, "the statement") + " of " + d.Source
		}
		fmt.Fprintln(p.out, "    "+paint(p.out, bold, "To allow it")+", the explicit deny has to go or to be narrowed"+where+".")
		return
	}
	fmt.Fprintln(p.out, "    "+paint(p.out, bold, "To allow it")+", add to "+remedyPlace(e, d)+":")
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(d.Remedy), "      ", "  "); err != nil {
		pretty.Reset()
		pretty.WriteString(d.Remedy)
	}
	fmt.Fprintln(p.out, "      "+paint(p.out, cyan, pretty.String()))
}

// remedyPlace is the policy that lacks the statement.
func remedyPlace(e *trailEvent, d *trailDecision) string {
	who, _, _ := strings.Cut(e.UserIdentity.who(), " (")
	switch d.By {
	case "resource-based policy":
		return "the policy of " + d.Resource
	case "role trust policy":
		return "the trust policy of " + d.Resource
	case "permissions boundary":
		return "the permissions boundary of " + who
	case "session policy":
		return "the policy that the session of " + who + " was begun with"
	case "service control policy":
		return "a service control policy on every level above account " + e.UserIdentity.AccountID
	case "resource control policy":
		return "a resource control policy on every level above the account of " + d.Resource
	}
	return "a policy of " + who
}
