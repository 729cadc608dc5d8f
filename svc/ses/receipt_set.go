package ses

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"time"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// receiptSet is what is kept of a set of receipt rules: one of an account's is active.
// https://docs.aws.amazon.com/ses/latest/dg/receiving-email-concepts.html
type receiptSet struct {
	Name    string
	Created time.Time
	Rules   []api.ReceiptRule `json:",omitempty"`
}

// receiptSets are an account's, by their name.
var receiptSets = store.NewTable[receiptSet]("ses", "receipt-set")

// AWS's limits.
const (
	maxRuleSets = 40
	maxRules    = 200
	maxActions  = 10
)

var receiptName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$`)

func (s *Service) receiptRoutes() []aws.Route {
	return []aws.Route{
		api.CreateReceiptRuleSet.To(s.createReceiptRuleSet, aws.Anywhere),
		api.CloneReceiptRuleSet.To(s.cloneReceiptRuleSet, aws.Anywhere),
		api.DeleteReceiptRuleSet.To(s.deleteReceiptRuleSet, aws.Anywhere),
		api.DescribeReceiptRuleSet.To(s.describeReceiptRuleSet, aws.Anywhere),
		api.DescribeActiveReceiptRuleSet.To(s.describeActiveReceiptRuleSet, aws.Anywhere),
		api.SetActiveReceiptRuleSet.To(s.setActiveReceiptRuleSet, aws.Anywhere),
		api.ListReceiptRuleSets.To(s.listReceiptRuleSets, aws.Anywhere),
		api.ReorderReceiptRuleSet.To(s.reorderReceiptRuleSet, aws.Anywhere),
		api.CreateReceiptRule.To(s.createReceiptRule, guardCreateRule),
		api.UpdateReceiptRule.To(s.updateReceiptRule, guardUpdateRule),
		api.DeleteReceiptRule.To(s.deleteReceiptRule, aws.Anywhere),
		api.DescribeReceiptRule.To(s.describeReceiptRule, aws.Anywhere),
		api.SetReceiptRulePosition.To(s.setReceiptRulePosition, aws.Anywhere),
		api.CreateReceiptFilter.To(s.createReceiptFilter, aws.Anywhere),
		api.DeleteReceiptFilter.To(s.deleteReceiptFilter, aws.Anywhere),
		api.ListReceiptFilters.To(s.listReceiptFilters, aws.Anywhere),
	}
}

func noReceiptSet(name string) error {
	return api.RuleSetDoesNotExistException("Rule set does not exist: %s", name).With(&api.RuleSetDoesNotExistExceptionDetail{Name: &name})
}

func noReceiptRule(name string) error {
	return api.RuleDoesNotExistException("Rule does not exist: %s", name).With(&api.RuleDoesNotExistExceptionDetail{Name: &name})
}

func existsAlready(what, name string) error {
	return api.AlreadyExistsException("%s already exists: %s", what, name).With(&api.AlreadyExistsExceptionDetail{Name: &name})
}

func getReceiptSet(ctx context.Context, r store.Reader, scope store.Scope, name string) (receiptSet, error) {
	set, err := receiptSets.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		err = noReceiptSet(name)
	}
	return set, err
}

// changeReceiptSet changes a rule set, whose rules are the change's own.
func (s *Service) changeReceiptSet(ctx context.Context, name string, f func(*receiptSet) error) error {
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		set, err := getReceiptSet(ctx, tx, scope, name)
		if err != nil {
			return err
		}
		set.Rules = slices.Clone(set.Rules)
		if err := f(&set); err != nil {
			return err
		}
		return receiptSets.Put(tx, scope, set, name)
	})
}

// addReceiptSet makes a rule set of the rules that from gives.
func (s *Service) addReceiptSet(ctx context.Context, name string, from func(store.Tx) ([]api.ReceiptRule, error)) error {
	if !receiptName.MatchString(name) {
		return invalid("Value at 'ruleSetName' failed to satisfy constraint: Invalid rule set name: %s", name)
	}
	scope := scopeOf(ctx)
	return s.Store.Update(ctx, func(tx store.Tx) error {
		n := 0
		for e, err := range receiptSets.List(ctx, tx, scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if n++; e.Record.Name == name {
				return existsAlready("Rule set", name)
			}
		}
		if n >= maxRuleSets {
			return api.LimitExceededException("Maximum number of rule sets reached: %d", maxRuleSets)
		}
		rules, err := from(tx)
		if err != nil {
			return err
		}
		return receiptSets.Put(tx, scope, receiptSet{Name: name, Created: s.Clock.Now().Truncate(time.Millisecond), Rules: rules}, name)
	})
}

func (s *Service) createReceiptRuleSet(ctx context.Context, in *api.CreateReceiptRuleSetRequest) (*api.CreateReceiptRuleSetResponse, error) {
	return nil, s.addReceiptSet(ctx, *in.RuleSetName, func(store.Tx) ([]api.ReceiptRule, error) { return nil, nil })
}

func (s *Service) cloneReceiptRuleSet(ctx context.Context, in *api.CloneReceiptRuleSetRequest) (*api.CloneReceiptRuleSetResponse, error) {
	return nil, s.addReceiptSet(ctx, *in.RuleSetName, func(tx store.Tx) ([]api.ReceiptRule, error) {
		set, err := getReceiptSet(ctx, tx, scopeOf(ctx), *in.OriginalRuleSetName)
		return set.Rules, err
	})
}

func (s *Service) deleteReceiptRuleSet(ctx context.Context, in *api.DeleteReceiptRuleSetRequest) (*api.DeleteReceiptRuleSetResponse, error) {
	scope, name := scopeOf(ctx), *in.RuleSetName
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := accounts.Get(ctx, tx, scope, "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if a.Receipt == name {
			return api.CannotDeleteException("Cannot delete active rule set: %s", name).With(&api.CannotDeleteExceptionDetail{Name: &name})
		}
		return receiptSets.Delete(tx, scope, name)
	})
}

func (set *receiptSet) metadata() *api.ReceiptRuleSetMetadata {
	return &api.ReceiptRuleSetMetadata{Name: &set.Name, CreatedTimestamp: &set.Created}
}

func (s *Service) describeReceiptRuleSet(ctx context.Context, in *api.DescribeReceiptRuleSetRequest) (*api.DescribeReceiptRuleSetResponse, error) {
	out := &api.DescribeReceiptRuleSetResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		set, err := getReceiptSet(ctx, r, scopeOf(ctx), *in.RuleSetName)
		out.Metadata, out.Rules = set.metadata(), set.Rules
		return err
	})
}

// activeReceiptSet is the rule set that mail to an account goes by; nil for none.
func activeReceiptSet(ctx context.Context, r store.Reader, scope store.Scope) (*receiptSet, error) {
	a, err := accounts.Get(ctx, r, scope, "")
	if errors.Is(err, store.ErrNotFound) || err == nil && a.Receipt == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	set, err := getReceiptSet(ctx, r, scope, a.Receipt)
	return &set, err
}

func (s *Service) describeActiveReceiptRuleSet(ctx context.Context, _ *api.DescribeActiveReceiptRuleSetRequest) (*api.DescribeActiveReceiptRuleSetResponse, error) {
	out := &api.DescribeActiveReceiptRuleSetResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		set, err := activeReceiptSet(ctx, r, scopeOf(ctx))
		if err == nil && set != nil {
			out.Metadata, out.Rules = set.metadata(), set.Rules
		}
		return err
	})
}

func (s *Service) setActiveReceiptRuleSet(ctx context.Context, in *api.SetActiveReceiptRuleSetRequest) (*api.SetActiveReceiptRuleSetResponse, error) {
	scope, name := scopeOf(ctx), aws.Value(in.RuleSetName)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		if name != "" {
			if _, err := getReceiptSet(ctx, tx, scope, name); err != nil {
				return err
			}
		}
		a, err := accounts.Get(ctx, tx, scope, "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		a.Receipt = name
		return accounts.Put(tx, scope, a, "")
	})
}

func (s *Service) listReceiptRuleSets(ctx context.Context, in *api.ListReceiptRuleSetsRequest) (*api.ListReceiptRuleSetsResponse, error) {
	o, most, err := pageOf(in.NextToken, nil, 100)
	if err != nil {
		return nil, err
	}
	out := &api.ListReceiptRuleSetsResponse{RuleSets: []api.ReceiptRuleSetMetadata{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range receiptSets.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			if len(out.RuleSets) == most {
				out.NextToken = new(aws.Token(*out.RuleSets[most-1].Name))
				return nil
			}
			out.RuleSets = append(out.RuleSets, *e.Record.metadata())
		}
		return nil
	})
}

func (s *Service) reorderReceiptRuleSet(ctx context.Context, in *api.ReorderReceiptRuleSetRequest) (*api.ReorderReceiptRuleSetResponse, error) {
	return nil, s.changeReceiptSet(ctx, *in.RuleSetName, func(set *receiptSet) error {
		var next []api.ReceiptRule
		for _, name := range in.RuleNames {
			i := set.index(name)
			if i < 0 {
				return noReceiptRule(name)
			}
			next = append(next, set.Rules[i])
		}
		if len(next) != len(set.Rules) || len((&receiptSet{Rules: next}).names()) != len(next) {
			return invalid("The rule names must be those of all rules of the rule set, each once: %s", set.Name)
		}
		set.Rules = next
		return nil
	})
}

func (set *receiptSet) index(name string) int {
	return slices.IndexFunc(set.Rules, func(r api.ReceiptRule) bool { return *r.Name == name })
}

// names are the rules' names.
func (set *receiptSet) names() map[string]bool {
	out := map[string]bool{}
	for _, r := range set.Rules {
		out[*r.Name] = true
	}
	return out
}
