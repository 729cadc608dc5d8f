package apigateway

import (
	"context"
	"errors"
	"fmt"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/gateway/memo"
	"github.com/tule-cloud/tule/store"
)

// A subscriber is who calls by an API key, and the plan that the key has for the stage; nil where
// it opens the stage without one.
type subscriber struct {
	key  api.ApiKey
	plan *api.UsagePlan
}

// admit holds a request to the usage plan of its key, and to the limits of its method.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
func (x *exchange) admit(ctx context.Context) error {
	if x.stage == nil {
		return nil // a test invocation
	}
	if err := x.admitKey(ctx); err != nil {
		return err
	}
	if err := x.admitMethod(); err != nil || x.s.Rate == 0 {
		return err
	}
	at := x.program.at
	if !x.s.buckets.Take(bucketKey{plan: "account", key: at.Account, api: at.Region}, x.s.Rate, ptr(x.s.burst())) {
		return throttled(fmt.Sprintf("Account throttle limit exceeded for account %s. Limit: %.2f Burst: %d", at.Account, x.s.Rate, x.s.burst()))
	}
	return nil
}

// admitMethod holds a request to the stage's limit on its method.
func (x *exchange) admitMethod() error {
	m := x.setting
	if m == nil || m.ThrottlingRateLimit == nil || *m.ThrottlingRateLimit < 0 {
		return nil
	}
	of := bucketKey{api: x.program.apiID, stage: x.stageName, method: x.method.resourcePath + "/" + x.method.verb}
	if !x.s.buckets.Take(of, *m.ThrottlingRateLimit, m.ThrottlingBurstLimit) {
		return throttled(x.limitLine("Method", *m.ThrottlingRateLimit, aws.Value(m.ThrottlingBurstLimit)))
	}
	return nil
}

func (x *exchange) admitKey(ctx context.Context) error {
	sent, _ := last(x.req.header, "X-Api-Key")
	if x.program.keySource == api.ApiKeySourceTypeAuthorizer {
		if sent = ""; x.authority != nil {
			sent = x.authority.usageKey
		}
	}
	about := x.program.apiID + "/" + x.stageName
	masked, method := mask(sent), "'"+x.req.verb+" "+x.method.resourcePath+"'"
	if !x.method.keyRequired {
		masked = "" // nobody looks at it
	}
	x.log.say("Verifying Usage Plan for request: ", x.req.id, ". API Key: ", masked, " API Stage: ", about)
	if !x.method.keyRequired {
		x.log.say("API Key  authorized because method ", method, " does not require API Key. Request will not contribute to throttle or quota limits")
		x.log.say("Usage Plan check succeeded for API Key  and API Stage ", about)
		return nil
	}
	who, why, err := x.s.subscriber(ctx, x.program.at, x.program.apiID, x.stageName, sent)
	if err != nil {
		return err
	}
	if who == nil {
		return badKey("API Key " + masked + " not authorized because method " + method + " requires API Key and API Key is not associated with a Usage Plan for API Stage " + about + ": " + why)
	}
	x.subscriber = who
	x.log.say("API Key ", masked, " authorized because method ", method, " requires API Key. Request will contribute to throttle and quota limits")
	if who.plan != nil {
		if err := x.admitPlan(ctx, who); err != nil {
			return err
		}
	}
	x.log.say("Usage Plan check succeeded for API Key ", masked, " and API Stage ", about)
	return nil
}

// admitPlan takes a request from what the plan gives its key: of its rate, and then of its quota.
func (x *exchange) admitPlan(ctx context.Context, who *subscriber) error {
	p := who.plan
	of := bucketKey{plan: *p.Id, key: *who.key.Id}
	if t := p.Throttle; t != nil && t.RateLimit != nil && !x.s.buckets.Take(of, *t.RateLimit, t.BurstLimit) {
		return throttled(x.limitLine("Key", *t.RateLimit, aws.Value(t.BurstLimit)))
	}
	of.api, of.stage, of.method = x.program.apiID, x.stageName, x.method.resourcePath+"/"+x.method.verb
	if t, ok := stageOf(p, of.api, of.stage).Throttle[of.method]; ok && t.RateLimit != nil && !x.s.buckets.Take(of, *t.RateLimit, t.BurstLimit) {
		return throttled(x.limitLine("Key", *t.RateLimit, aws.Value(t.BurstLimit)))
	}
	within, err := x.s.count(ctx, x.program.at, p, &who.key)
	if err == nil && !within {
		err = exceeded("Quota limit exceeded for API Key " + mask(*who.key.Value) + " and API Stage " + of.api + "/" + of.stage)
	}
	return err
}

// limitLine is the execution log's on a request that comes too soon.
func (x *exchange) limitLine(whose string, rate float64, burst int32) string {
	return fmt.Sprintf("%s throttle limit exceeded for RestApi %s, Stage %s, Resource %s, HttpMethod %s. Limit: %.2f Burst: %d",
		whose, x.program.apiID, x.stageName, x.method.resourceID, x.req.verb, rate, burst)
}

// A keyUse is a key's value where it is used.
type keyUse struct {
	at                store.Scope
	api, stage, value string
}

// maxSubscribers is how many subscribers stay known.
const maxSubscribers = 10_000

// newSubscribers is what is known of keys until some key or plan changes.
func newSubscribers(st store.Store) *memo.Memo[keyUse, *subscriber] {
	ctx := context.Background() // as long as the store
	return memo.New[keyUse, *subscriber](maxSubscribers, keyValues.WatchAll(ctx, st), apiKeys.WatchAll(ctx, st), keyPlans.WatchAll(ctx, st), plans.WatchAll(ctx, st))
}

// A closedKey is why a key does not open a stage.
type closedKey string

func (why closedKey) Error() string { return string(why) }

// subscriber is whose a key is; nil, and why, if the key does not open the stage.
func (s *Service) subscriber(ctx context.Context, at store.Scope, apiID, stage, value string) (who *subscriber, why string, err error) {
	if value == "" {
		return nil, "API Key was not present in the request", nil
	}
	who, err = s.subscribers.Get(keyUse{at, apiID, stage, value}, func() (*subscriber, error) {
		who, why, err := s.findSubscriber(ctx, at, apiID, stage, value)
		if err == nil && who == nil {
			err = closedKey(why) // which is not kept: anybody can make up keys
		}
		return who, err
	})
	var closed closedKey
	if errors.As(err, &closed) {
		return nil, string(closed), nil
	}
	return who, "", err
}

// findSubscriber reads what subscriber keeps.
func (s *Service) findSubscriber(ctx context.Context, at store.Scope, apiID, stage, value string) (who *subscriber, why string, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		id, err := keyValues.Get(ctx, r, at, value)
		if err != nil {
			return err
		}
		key, err := apiKeys.Get(ctx, r, at, id)
		if err != nil {
			return err
		}
		if !aws.Value(key.Enabled) {
			why = "API Key is not enabled"
			return nil
		}
		all, err := plansOf(ctx, r, at, id)
		if err != nil {
			return err
		}
		for i := range all {
			if stageOf(&all[i], apiID, stage) != nil {
				who = &subscriber{key, &all[i]}
				return nil
			}
		}
		for _, open := range key.StageKeys {
			if open == apiID+"/"+stage {
				who = &subscriber{key: key}
				return nil
			}
		}
		why = "No Usage Plan found for key and API Stage"
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, "No Usage Plan found for key and API Stage", nil
	}
	return who, why, err
}
