package iam

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	api "github.com/tule-cloud/tule/api/iam"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/policy"
	"github.com/tule-cloud/tule/store"
)

// A trust policy names users and roles by ARN, and means those who bear it when it is
// written: who is made again under the name of somebody deleted is somebody else. So
// the unique ids of the named are kept beside the document, and who is gone is shown,
// and asked for, by his id. Who has moved to another name or path is still trusted.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-users

// trustee says which user or role an ARN in a trust policy is about: none for what
// stands for itself, such as an account, everybody or one session of a role. It is
// false for what can be no principal.
func trustee(value string) (account string, e entry, ok bool) {
	if value == "*" || aws.ValidAccount(value) {
		return "", entry{}, true
	}
	a, ok := aws.ParseARN(value)
	if !ok || a.Partition != aws.Partition || a.Region != "" || !aws.ValidAccount(a.Account) {
		return "", entry{}, false
	}
	what, name, _ := strings.Cut(a.Resource, "/")
	switch a.Service + " " + what {
	case "iam root":
		return "", entry{}, a.Resource == what
	case "iam user", "iam role":
		return a.Account, entry{kind(what), name[strings.LastIndexByte(name, '/')+1:]}, true
	case "sts assumed-role", "sts federated-user":
		return "", entry{}, true
	}
	return "", entry{}, false
}

// pin finds out whom a trust policy means: the unique ids of the users and roles that
// it names, by their ARNs. It refuses the name of nobody.
func pin(ctx context.Context, r store.Reader, document string) (map[string]string, error) {
	doc, err := policy.Parse(document)
	if err != nil {
		return nil, err
	}
	var ids map[string]string
	for i := range doc.Statements {
		for _, p := range doc.Statements[i].Principals {
			if p.Type != "AWS" || ids[p.Value] != "" {
				continue
			}
			id, err := pinned(ctx, r, p.Value)
			if err != nil {
				return nil, err
			}
			if id == "" {
				continue
			}
			if ids == nil {
				ids = map[string]string{}
			}
			ids[p.Value] = id
		}
	}
	return ids, nil
}

// pinned is the unique id of one principal; "" where it stands for itself.
func pinned(ctx context.Context, r store.Reader, value string) (id string, err error) {
	nobody := api.MalformedPolicyDocumentException(`Invalid principal in policy: "AWS":"%s"`, value)
	account, e, ok := trustee(value)
	if !ok {
		return "", nobody
	}
	if account == "" {
		return "", nil
	}
	p, err := load(ctx, r, account, e.Kind, e.Name)
	if aws.CodeOf(err) == "NoSuchEntity" || err == nil && p.arn(account) != value {
		return "", nobody
	}
	if err != nil {
		return "", err
	}
	return p.ID, nil
}

// shown is a role as it is told to others: with its trust policy as it holds now.
// Other principals are themselves. What is shown is not for saving.
func (p *principal) shown(ctx context.Context, r store.Reader) (*principal, error) {
	if len(p.Trusted) == 0 {
		return p, nil
	}
	now := map[string]string{}
	for arn, id := range p.Trusted {
		name, err := nameNow(ctx, r, arn, id)
		if err != nil {
			return nil, err
		}
		if name != arn {
			now[arn] = name
		}
	}
	if len(now) == 0 {
		return p, nil
	}
	text, err := renamePrincipals(p.Trust, func(arn string) string {
		if name, ok := now[arn]; ok {
			return name
		}
		return arn
	})
	if err != nil {
		return nil, err
	}
	out := *p
	out.Trust = text
	return &out, nil
}

// nameNow is the ARN that the principal with a unique id bears now, which once was
// arn; the id itself if it is gone.
func nameNow(ctx context.Context, r store.Reader, arn, id string) (string, error) {
	a, _ := aws.ParseARN(arn)
	e, err := byID.Get(ctx, r, scope(a.Account), id)
	if errors.Is(err, store.ErrNotFound) {
		return id, nil
	}
	if err != nil {
		return "", err
	}
	p, err := load(ctx, r, a.Account, e.Kind, e.Name)
	if err != nil {
		return "", err
	}
	return p.arn(a.Account), nil
}

// renamePrincipals is a document with its AWS principals called otherwise, and not a
// byte changed beside.
func renamePrincipals(document string, name func(string) string) (string, error) {
	var out strings.Builder
	done := 0         // how much of document is in out
	var path []string // of keys that lead here; list for an array
	inObject := func() bool { return len(path) > 0 && path[len(path)-1] != list }
	key := false // a key comes next
	dec := json.NewDecoder(strings.NewReader(document))
	for {
		from := int(dec.InputOffset())
		token, err := dec.Token()
		if err == io.EOF && len(path) == 0 {
			return out.String() + document[done:], nil
		}
		if err != nil {
			return "", err
		}
		text, isText := token.(string)
		switch {
		case token == json.Delim('{'):
			path, key = append(path, ""), true
			continue
		case token == json.Delim('['):
			path, key = append(path, list), false
			continue
		case token == json.Delim('}'), token == json.Delim(']'):
			path = path[:len(path)-1]
		case key:
			path[len(path)-1], key = text, false
			continue
		case isText && principalPath(path):
			renamed := name(text)
			if renamed == text {
				break
			}
			from += strings.IndexByte(document[from:], '"')
			quoted, err := json.Marshal(renamed)
			if err != nil {
				return "", err
			}
			out.WriteString(document[done:from] + string(quoted))
			done = int(dec.InputOffset())
		}
		key = inObject()
	}
}

// list stands for an array in the path to a value.
const list = "[]"

// principalPath reports whether path leads to a principal of type AWS, in lists or not.
func principalPath(path []string) bool {
	want := []string{"Statement", "Principal", "AWS"}
	for _, k := range path {
		switch {
		case k == list:
		case len(want) > 0 && (k == want[0] || k == "Not"+want[0] && want[0] == "Principal"):
			want = want[1:]
		default:
			return false
		}
	}
	return len(want) == 0
}
