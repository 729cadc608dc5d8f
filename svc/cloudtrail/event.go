package cloudtrail

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tule-cloud/tule/aws"
)

// event is what LookupEvents has as CloudTrailEvent. It holds nothing of those who made
// the call but texts, which do not change.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
type event struct {
	EventVersion       string          `json:"eventVersion"`
	UserIdentity       *userIdentity   `json:"userIdentity"`
	EventTime          string          `json:"eventTime"`
	EventSource        string          `json:"eventSource"`
	EventName          string          `json:"eventName"`
	AWSRegion          string          `json:"awsRegion"`
	SourceIPAddress    string          `json:"sourceIPAddress"`
	UserAgent          string          `json:"userAgent,omitempty"`
	ErrorCode          string          `json:"errorCode,omitempty"`
	ErrorMessage       string          `json:"errorMessage,omitempty"`
	RequestParameters  json.RawMessage `json:"requestParameters"`
	ResponseElements   json.RawMessage `json:"responseElements"`
	Additional         *additional     `json:"additionalEventData,omitempty"`
	RequestID          string          `json:"requestID"`
	EventID            string          `json:"eventID"`
	ReadOnly           bool            `json:"readOnly"`
	Resources          []resource      `json:"resources,omitempty"`
	EventType          string          `json:"eventType"`
	ManagementEvent    bool            `json:"managementEvent"`
	RecipientAccountID string          `json:"recipientAccountId"`
	SharedEventID      string          `json:"sharedEventID,omitempty"`
	EventCategory      string          `json:"eventCategory"`
	TLS                *tlsDetails     `json:"tlsDetails,omitempty"`

	global bool // of a service that has no regions
}

// additional is Tule's additionalEventData: what policies decided.
type additional struct {
	Decisions []decision `json:"decisions,omitempty"`
	// Passed says that policies would have denied the call, had they been more than
	// watched.
	Passed bool `json:"passed,omitempty"`
	// Within says that one service called another.
	Within bool `json:"within,omitempty"`
}

type decision struct {
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	Allowed   bool   `json:"allowed"`
	Passed    bool   `json:"passed,omitempty"`
	By        string `json:"by,omitempty"`
	Source    string `json:"source,omitempty"`
	Statement string `json:"statement,omitempty"`
	// Of denials. Message is AWS's sentence, where it is not the event's errorMessage.
	Message    string `json:"message,omitempty"`
	Evaluation string `json:"evaluation,omitempty"`
	Remedy     string `json:"remedy,omitempty"`

	owner string // the resource's account
}

type resource struct {
	ARN       string `json:"ARN"`
	AccountID string `json:"accountId,omitempty"`
	Type      string `json:"type,omitempty"`
}

type tlsDetails struct {
	Host string `json:"clientProvidedHostHeader,omitempty"`
}

const (
	maxText       = 1 << 10  // of user agents, error codes and messages
	maxEvaluation = 32 << 10 // of how one access was evaluated
	maxDecisions  = 100      // of one event; transactions need that many
	maxAccounts   = 8        // that one call concerns
)

// denied reports whether policies refused a call, or would have.
func denied(e *aws.Event) bool {
	for i := range e.Decisions {
		if !e.Decisions[i].Allowed {
			return true
		}
	}
	return e.Err != nil && isDenial(e.Err.Code)
}

func isDenial(code string) bool {
	return code == "AccessDenied" || code == "AccessDeniedException" || code == "AuthorizationError" || code == "UnauthorizedOperation"
}

// eventOf makes the event of a call, but for whose log it is in. What may change after
// the call, its input and output, is written out here.
func (s *Service) eventOf(e *aws.Event, at time.Time) event {
	r := e.Request
	v := event{
		EventVersion: "1.11", EventTime: at.UTC().Format(time.RFC3339), AWSRegion: r.Region,
		RequestID: cmp.Or(r.ID, aws.RandomUUID(s.Random)), EventType: "AwsApiCall", EventCategory: "Management", ManagementEvent: true,
		Additional: &additional{Within: e.Within},
	}
	v.SourceIPAddress, v.UserAgent = from(e)
	if e.Err != nil {
		v.ErrorCode, v.ErrorMessage = clip(e.Err.Code, maxText), clip(e.Err.Message, maxText)
		if isDenial(v.ErrorCode) {
			v.ErrorCode = "AccessDenied"
		}
	}
	for i := range e.Decisions {
		v.decide(&e.Decisions[i], r.Caller.Account)
	}
	if e.Op == nil { // beside the API: an invoke URL
		v.plane(e)
		return v
	}
	data := isData(e.Op)
	v.EventSource, v.EventName, v.ReadOnly = sourceOf(e.Op.Service), e.Op.Name, isRead(e.Op)
	if e.Op.Service.Global {
		v.AWSRegion, v.global = globalRegion, true
	}
	if data {
		v.EventCategory, v.ManagementEvent = "Data", false
	}
	v.RequestParameters = s.parameters.marshal(e.In, "requestParameters", data)
	if e.Err == nil && (!v.ReadOnly || issues(e.Op)) && !data {
		v.ResponseElements = s.parameters.marshal(e.Out, "responseElements", false)
	}
	if r.Secure {
		v.TLS = &tlsDetails{Host: r.Host}
	}
	return v
}

// plane names what was done beside the API by the action that it needed.
func (v *event) plane(e *aws.Event) {
	v.EventCategory, v.ManagementEvent = "Data", false
	for i := range e.Decisions {
		service, action, _ := strings.Cut(e.Decisions[i].Action, ":")
		v.EventSource, v.EventName = service+".amazonaws.com", action
	}
}

// decide adds a decision and the resource that it was on.
func (v *event) decide(d *aws.Decision, account string) {
	if len(v.Additional.Decisions) == maxDecisions {
		return
	}
	out := decision{Action: d.Action, Resource: d.Resource, Allowed: d.Allowed, Passed: d.Passed, By: d.By, Source: d.Source,
		Message: d.Message, Evaluation: clip(d.Explanation, maxEvaluation), Remedy: clip(d.Remedy, maxEvaluation), owner: ownerOf(d, account)}
	if d.Statement != nil {
		out.Statement = d.Statement.Name()
	}
	if out.Message == v.ErrorMessage {
		out.Message = ""
	}
	v.Additional.Decisions = append(v.Additional.Decisions, out)
	v.Additional.Passed = v.Additional.Passed || d.Passed
	if d.Resource != "*" && !slices.ContainsFunc(v.Resources, func(r resource) bool { return r.ARN == d.Resource }) {
		kind, _ := resourceOf(d.Resource)
		v.Resources = append(v.Resources, resource{d.Resource, out.owner, kind})
	}
}

// ownerOf is the account of the resource that was decided on; "" if nobody says.
func ownerOf(d *aws.Decision, account string) string {
	if d.Resource == "*" {
		return account
	}
	if d.Account != "" {
		return d.Account
	}
	a, _ := aws.ParseARN(d.Resource)
	if aws.ValidAccount(a.Account) {
		return a.Account
	}
	return ""
}

// from is where a call came from, and by what program: an address, or the service that
// made it.
func from(e *aws.Event) (address, agent string) {
	r := e.Request
	if e.Within || r.SourceIP == "" {
		if n := len(r.Via); n > 0 {
			return r.Via[n-1], r.Via[n-1]
		}
		if r.SourceIP == "" {
			service, _, _ := strings.Cut(r.Host, ".")
			service = cmp.Or(service, "tule") + ".amazonaws.com"
			return service, service
		}
	}
	return r.SourceIP, clip(r.UserAgent, maxText)
}

// of is the event as one account sees it. What policies of another account say is not
// for it to see. A caller without an account has no policies of his own.
func (v event) of(account string, c *aws.Caller, via []string) event {
	v.RecipientAccountID = account
	home := c.Account == account || c.Account == ""
	if home {
		v.UserIdentity = identityOf(c)
	} else {
		v.UserIdentity = strangerOf(c)
	}
	if n := len(via); n > 0 && c.Kind != aws.ServiceSelf {
		v.UserIdentity.InvokedBy = via[n-1]
	}
	a := *v.Additional
	a.Decisions = slices.Clone(a.Decisions)
	if !home { // and nothing of a third account's
		a.Decisions = slices.DeleteFunc(a.Decisions, func(d decision) bool { return d.owner != account })
		v.Resources = slices.DeleteFunc(slices.Clone(v.Resources), func(r resource) bool { return r.AccountID != account })
	}
	for i := range a.Decisions {
		if d := &a.Decisions[i]; !home {
			d.hide(func(kind string) bool { return !onResource(kind) })
		} else if d.owner != "" && d.owner != account && c.Account != "" {
			d.hide(onResource)
		}
	}
	v.Additional = &a
	return v
}

// onResource reports whether a text begins with a kind of policy that is the resource's
// owner's, as package policy calls them.
func onResource(text string) bool {
	for _, kind := range []string{"resource-based policy", "resource control policy", "role trust policy"} {
		if strings.HasPrefix(text, kind) {
			return true
		}
	}
	return false
}

// hide takes out of a decision what policies of some kinds say. In an evaluation the
// first line is the verdict; a policy is a line that names it, and its statements, further
// in.
func (d *decision) hide(kinds func(text string) bool) {
	verdict, rest, _ := strings.Cut(d.Evaluation, "\n")
	if d.By != "" && kinds(d.By) {
		verdict = strings.TrimSuffix(verdict, ": "+d.Source+", "+d.Statement)
		d.Source, d.Statement = "", ""
		if !onResource(d.By) { // what the caller lacks is for those to say who can give it
			d.Remedy = ""
		}
	}
	if d.Evaluation == "" {
		return
	}
	var b strings.Builder
	b.WriteString(verdict + "\n")
	skip, said := false, false
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, " ") {
			skip = kinds(line)
		}
		switch {
		case !skip:
			b.WriteString(line)
		case !said:
			said = true
			b.WriteString("policies of another account\n  (not shown)\n")
		}
	}
	d.Evaluation = b.String()
}

// encode is the event as JSON.
func (v *event) encode() ([]byte, error) {
	if v.Additional != nil && !v.Additional.Passed && !v.Additional.Within && len(v.Additional.Decisions) == 0 {
		v.Additional = nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
