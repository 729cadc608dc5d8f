package ssm

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

const (
	maxStandard      = 10_000 // parameters of an account in a region
	maxAdvanced      = 100_000
	standardBytes    = 4096
	advancedBytes    = 8192
	maxVersions      = 100
	maxTags          = 50
	maxPolicies      = 10
	defaultKey       = "alias/aws/ssm"
	defaultDataType  = "text"
	policyExpiration = "Expiration"
)

// A parameter is what its versions have in common.
type parameter struct {
	Name   string
	Newest int64
	Oldest int64
	Tier   string
	Tags   map[string]string `json:",omitempty"`
	// Ends is when an expiration policy deletes it; zero means never.
	Ends time.Time `json:",omitzero"`
}

// A version is one value that a parameter had.
type version struct {
	Number      int64
	Type        string
	Value       string   `json:",omitempty"`
	Sealed      []byte   `json:",omitempty"` // of a secure string, in the value's place
	Key         string   `json:",omitempty"`
	Description string   `json:",omitempty"`
	Pattern     string   `json:",omitempty"`
	DataType    string   `json:",omitempty"`
	Policies    []policy `json:",omitempty"`
	Labels      []string `json:",omitempty"`
	Tier        string
	User        string
	Modified    time.Time
}

// A policy is one of a parameter's, as it was written.
type policy struct{ Type, Text string }

// find reads a parameter that has not expired.
func (s *Service) find(ctx context.Context, r store.Reader, scope store.Scope, name string) (parameter, error) {
	p, err := parameters.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) || err == nil && !p.Ends.IsZero() && !s.Clock.Now().Before(p.Ends) {
		return p, api.ParameterNotFound("Parameter %s not found.", name)
	}
	return p, err
}

func (s *Service) putParameter(ctx context.Context, in *api.PutParameterRequest) (*api.PutParameterResult, error) {
	if err := checkName(*in.Name); err != nil {
		return nil, err
	}
	scope := scopeOf(ctx)
	out := &api.PutParameterResult{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := s.find(ctx, tx, scope, *in.Name)
		if api.ParameterNotFound("").Is(err) {
			if p.Name != "" { // it has expired, and nobody has come by since
				if err := drop(ctx, tx, scope, &p); err != nil {
					return err
				}
			}
			p, err = parameter{Name: *in.Name}, nil
		}
		if err != nil {
			return err
		}
		v, err := s.next(ctx, tx, scope, &p, in)
		if err != nil {
			return err
		}
		if err := versions.Put(tx, scope, v, p.Name, v.Number); err != nil {
			return err
		}
		out.Version, out.Tier = &v.Number, new(p.Tier)
		return putHead(tx, scope, &p)
	})
}

// putHead stores what a parameter's versions have in common.
func putHead(tx store.Tx, scope store.Scope, p *parameter) error {
	return parameters.Put(tx, scope, *p, p.Name)
}

// next makes a parameter's next version of what was asked for.
func (s *Service) next(ctx context.Context, tx store.Tx, scope store.Scope, p *parameter, in *api.PutParameterRequest) (version, error) {
	var last version
	if p.Newest > 0 {
		var err error
		if last, err = versions.Get(ctx, tx, scope, p.Name, p.Newest); err != nil {
			return last, err
		}
	}
	if err := s.allowed(p, &last, in); err != nil {
		return last, err
	}
	v := version{Number: p.Newest + 1, Type: aws.Value(in.Type), Value: *in.Value, Description: inherit(in.Description, last.Description),
		Pattern: inherit(in.AllowedPattern, last.Pattern), DataType: inherit(in.DataType, last.DataType), Policies: last.Policies,
		User: aws.RequestOf(ctx).Caller.ARN, Modified: s.Clock.Now()}
	if v.Type == "" {
		v.Type = last.Type
	}
	if v.DataType == "" {
		v.DataType = defaultDataType
	}
	if err := s.setTier(ctx, tx, scope, p, &v, in); err != nil {
		return v, err
	}
	if err := v.check(); err != nil {
		return v, err
	}
	if v.Type == api.ParameterTypeSecureString {
		if v.Key = inherit(in.KeyId, last.Key); v.Key == "" {
			v.Key = defaultKey
		}
		sealed, err := s.box.Seal([]byte(v.Value), sealContext(scope, p.Name, v.Number))
		if err != nil {
			return v, err
		}
		v.Value, v.Sealed = "", sealed
	}
	if p.Newest == 0 {
		p.Tags = map[string]string{}
		if err := setTags(p.Tags, in.Tags); err != nil {
			return v, err
		}
		p.Oldest = v.Number
	}
	p.Newest = v.Number
	return v, forgetOldest(ctx, tx, scope, p)
}

// allowed says whether a parameter may get the version asked for, after the last.
func (s *Service) allowed(p *parameter, last *version, in *api.PutParameterRequest) error {
	if p.Newest == 0 {
		if aws.Value(in.Type) == "" {
			return api.ValidationException("A parameter type is required when you create a parameter.")
		}
		return nil
	}
	switch {
	case !aws.Value(in.Overwrite):
		return api.ParameterAlreadyExists("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case len(in.Tags) > 0:
		return api.ValidationException("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. " +
			"To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	case in.Type != nil && *in.Type != last.Type:
		return api.HierarchyTypeMismatchException("Parameter Store does not support changing a parameter type in a hierarchy. " +
			"For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.")
	}
	return nil
}

// inherit is what was asked for, or what the version before has.
func inherit(asked *string, before string) string {
	if asked != nil {
		return *asked
	}
	return before
}

func sealContext(scope store.Scope, name string, number int64) string {
	return scope.Account + "/" + scope.Region + "/" + strconv.FormatInt(number, 10) + "/" + name
}

// setTier says what tier a parameter's new version is of, and counts the parameter there.
func (s *Service) setTier(ctx context.Context, tx store.Tx, scope store.Scope, p *parameter, v *version, in *api.PutParameterRequest) error {
	if in.Policies != nil {
		var err error
		if v.Policies, err = parsePolicies(*in.Policies); err != nil {
			return err
		}
	}
	const standard, advanced = api.ParameterTierStandard, api.ParameterTierAdvanced
	before := p.Tier
	v.Tier = standard
	switch asked := aws.Value(in.Tier); {
	case asked == api.ParameterTierIntelligentTiering:
		if len(v.Value) > standardBytes || len(v.Policies) > 0 || before == advanced {
			v.Tier = advanced
		}
	case asked != "":
		v.Tier = asked
	case before != "":
		v.Tier = before
	}
	switch {
	case before == advanced && v.Tier == standard:
		return api.ValidationException("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.")
	case v.Tier == standard && len(v.Policies) > 0:
		return api.ValidationException("Parameter policies are only supported for parameters of the advanced tier.")
	}
	p.Tier = v.Tier
	p.Ends = expiration(v.Policies)
	if before == v.Tier {
		return nil
	}
	if before != "" {
		if _, err := counts.Add(ctx, tx, scope, -1, before); err != nil {
			return err
		}
	}
	n, err := counts.Add(ctx, tx, scope, 1, v.Tier)
	if err != nil {
		return err
	}
	if v.Tier == standard && n > maxStandard || v.Tier == advanced && n > maxAdvanced {
		return api.ParameterLimitExceeded("You have reached the maximum number of %s parameters for this AWS account in this Region.", strings.ToLower(v.Tier))
	}
	return nil
}

// check holds a version's value against what it may be.
func (v *version) check() error {
	limit := standardBytes
	if v.Tier == api.ParameterTierAdvanced {
		limit = advancedBytes
	}
	switch {
	case v.Value == "":
		return api.ValidationException("1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case len(v.Value) > limit && limit == standardBytes:
		return api.ValidationException("Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, "+
			"upgrade the parameter to use the advanced-parameter tier. For more information, see "+
			"https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html", limit)
	case len(v.Value) > limit:
		return api.ValidationException("Advanced tier parameters support a maximum parameter value of %d characters.", limit)
	case v.DataType != defaultDataType && v.DataType != "aws:ec2:image" && v.DataType != "aws:ssm:integration":
		return api.ValidationException("The following data type is not supported: %s (Data type names are all lowercase.)", v.DataType)
	case v.DataType != defaultDataType && v.Type == api.ParameterTypeStringList:
		return api.ValidationException("The data type %s is not supported for parameters of the type %s.", v.DataType, v.Type)
	}
	if v.Pattern == "" {
		return nil
	}
	pattern, err := regexp.Compile("^(?:" + v.Pattern + ")$")
	if err != nil {
		return api.InvalidAllowedPatternException("The pattern %s is not a valid regular expression.", v.Pattern)
	}
	if !pattern.MatchString(v.Value) {
		return api.ParameterPatternMismatchException("Parameter value, cannot be validated against allowedPattern: %s", v.Pattern)
	}
	return nil
}

// forgetOldest makes room for a parameter's newest version.
func forgetOldest(ctx context.Context, tx store.Tx, scope store.Scope, p *parameter) error {
	if p.Newest-p.Oldest < maxVersions {
		return nil
	}
	old, err := versions.Get(ctx, tx, scope, p.Name, p.Oldest)
	if err != nil {
		return err
	}
	if len(old.Labels) > 0 {
		return api.ParameterMaxVersionLimitExceeded("You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. "+
			"Version %d, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.",
			p.Name, p.Oldest)
	}
	p.Oldest++
	return versions.Delete(tx, scope, p.Name, old.Number)
}

// parsePolicies reads the policies of a parameter: a list of objects with Type, Version
// and Attributes.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html
func parsePolicies(text string) ([]policy, error) {
	var raw []json.RawMessage
	if json.Unmarshal([]byte(text), &raw) != nil {
		return nil, api.InvalidPolicyTypeException("The policies are not a JSON list: %s", text)
	}
	if len(raw) > maxPolicies {
		return nil, api.PoliciesLimitExceededException("You specified more than the maximum number of allowed policies for the parameter. The maximum is %d.", maxPolicies)
	}
	var list []policy
	for _, r := range raw {
		var p struct {
			Type, Version string
			Attributes    map[string]string
		}
		if json.Unmarshal(r, &p) != nil {
			return nil, api.InvalidPolicyAttributeException("A policy attribute or its value is invalid: %s", r)
		}
		switch p.Type {
		case policyExpiration:
			if _, err := time.Parse(time.RFC3339, p.Attributes["Timestamp"]); err != nil {
				return nil, api.InvalidPolicyAttributeException("A policy attribute or its value is invalid: Timestamp")
			}
		case "ExpirationNotification", "NoChangeNotification":
		default:
			return nil, api.InvalidPolicyTypeException("The policy type isn't supported. Parameter Store supports the following policy types: " +
				"Expiration, ExpirationNotification, and NoChangeNotification.")
		}
		list = append(list, policy{p.Type, string(r)})
	}
	return list, nil
}

// expiration is when policies delete their parameter; zero means never.
func expiration(list []policy) (at time.Time) {
	for _, p := range list {
		var is struct{ Attributes struct{ Timestamp time.Time } }
		if p.Type == policyExpiration && json.Unmarshal([]byte(p.Text), &is) == nil {
			at = is.Attributes.Timestamp
		}
	}
	return at
}

// drop deletes a parameter with all its versions.
func drop(ctx context.Context, tx store.Tx, scope store.Scope, p *parameter) error {
	if _, err := counts.Add(ctx, tx, scope, -1, p.Tier); err != nil {
		return err
	}
	if err := versions.DeleteAll(tx, scope, p.Name); err != nil {
		return err
	}
	return parameters.Delete(tx, scope, p.Name)
}

func (s *Service) deleteParameter(ctx context.Context, in *api.DeleteParameterRequest) (*api.DeleteParameterResult, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		p, err := s.find(ctx, tx, scope, *in.Name)
		if err != nil {
			return err
		}
		return drop(ctx, tx, scope, &p)
	})
}

func (s *Service) deleteParameters(ctx context.Context, in *api.DeleteParametersRequest) (*api.DeleteParametersResult, error) {
	scope := scopeOf(ctx)
	out := &api.DeleteParametersResult{}
	return out, s.Store.Update(ctx, func(tx store.Tx) error {
		out.DeletedParameters, out.InvalidParameters = []string{}, []string{}
		for _, name := range in.Names {
			p, err := s.find(ctx, tx, scope, name)
			switch {
			case api.ParameterNotFound("").Is(err):
				out.InvalidParameters = append(out.InvalidParameters, name)
				continue
			case err == nil:
				err = drop(ctx, tx, scope, &p)
			}
			if err != nil {
				return err
			}
			out.DeletedParameters = append(out.DeletedParameters, name)
		}
		return nil
	})
}
