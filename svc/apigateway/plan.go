package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

func noPlan(id *string) error {
	return api.NotFoundException("Invalid Usage Plan ID specified: %s", aws.Value(id))
}

func readPlan(ctx context.Context, r store.Reader, id *string) (api.UsagePlan, error) {
	p, err := plans.Get(ctx, r, scope(ctx), aws.Value(id))
	return p, orElse(err, noPlan(id))
}

func (s *Service) createUsagePlan(ctx context.Context, in *api.CreateUsagePlanRequest) (*api.UsagePlan, error) {
	if strings.TrimSpace(*in.Name) == "" {
		return nil, api.BadRequestException("Usage Plan name cannot be blank")
	}
	p := api.UsagePlan{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 6)), Name: in.Name, Description: in.Description, Quota: in.Quota,
		Throttle: in.Throttle, Tags: in.Tags, ApiStages: []api.ApiStage{}}
	if len(in.Tags) > maxTags {
		return nil, api.LimitExceededException("Too many tags: %d, the limit is %d", len(in.Tags), maxTags)
	}
	return update(ctx, s, func(tx store.Tx) (*api.UsagePlan, error) {
		for _, st := range in.ApiStages {
			if err := addStage(ctx, tx, &p, st); err != nil {
				return nil, err
			}
		}
		if err := checkPlan(&p); err != nil {
			return nil, err
		}
		return &p, plans.Put(tx, scope(ctx), p, *p.Id)
	})
}

// checkPlan refuses limits that mean nothing.
func checkPlan(p *api.UsagePlan) error {
	if err := checkThrottle(p.Throttle); err != nil {
		return err
	}
	for _, st := range p.ApiStages {
		for where, t := range st.Throttle {
			if i := strings.LastIndexByte(where, '/'); i <= 0 || where[0] != '/' {
				return api.BadRequestException("Invalid method path specified for throttling: %s. Must be of the form <resourcePath>/<httpMethod>", where)
			}
			if err := checkThrottle(&t); err != nil {
				return err
			}
		}
	}
	q := p.Quota
	if q == nil {
		return nil
	}
	offset := aws.Value(q.Offset)
	most := map[string]int32{"DAY": 0, "WEEK": 6, "MONTH": 27}
	switch last, ok := most[aws.Value(q.Period)]; {
	case q.Limit == nil || q.Period == nil:
		return api.BadRequestException("Usage Plan quota must have a limit and a period")
	case *q.Limit <= 0:
		return api.BadRequestException("Usage Plan quota limit must be greater than 0")
	case !ok:
		return api.BadRequestException("Invalid quota period specified: %s. Must be one of: [DAY, WEEK, MONTH]", *q.Period)
	case offset < 0 || offset > last:
		return api.BadRequestException("Usage Plan quota offset must be zero in the DAY period, between 0 and 6, inclusive, in the WEEK period and between 0 and 27, inclusive, in the MONTH period")
	}
	return nil
}

func checkThrottle(t *api.ThrottleSettings) error {
	if t != nil && (aws.Value(t.RateLimit) < 0 || aws.Value(t.BurstLimit) < 0) {
		return api.BadRequestException("Usage Plan throttle rate limit and burst limit must not be negative")
	}
	return nil
}

func addStage(ctx context.Context, r store.Reader, p *api.UsagePlan, st api.ApiStage) error {
	id, name := aws.Value(st.ApiId), aws.Value(st.Stage)
	there := id != "" && name != ""
	if there {
		var err error
		if there, err = stages.Has(ctx, r, scope(ctx), id, name); err != nil {
			return err
		}
	}
	if !there {
		return api.NotFoundException("Invalid API Stage {api: %s, stage: %s} specified for usageplan %s", id, name, aws.Value(p.Id))
	}
	if stageOf(p, id, name) != nil {
		return api.ConflictException("API Stage %s:%s is already in usage plan %s", id, name, *p.Id)
	}
	p.ApiStages = append(p.ApiStages, st)
	return nil
}

// stageOf is a stage in a plan; nil if it is not.
func stageOf(p *api.UsagePlan, apiID, stage string) *api.ApiStage {
	for i := range p.ApiStages {
		if st := &p.ApiStages[i]; aws.Value(st.ApiId) == apiID && aws.Value(st.Stage) == stage {
			return st
		}
	}
	return nil
}

func (s *Service) getUsagePlan(ctx context.Context, in *api.GetUsagePlanRequest) (*api.UsagePlan, error) {
	return view(ctx, s, func(r store.Reader) (*api.UsagePlan, error) {
		p, err := readPlan(ctx, r, in.UsagePlanId)
		return &p, err
	})
}

func (s *Service) getUsagePlans(ctx context.Context, in *api.GetUsagePlansRequest) (*api.UsagePlans, error) {
	return view(ctx, s, func(r store.Reader) (*api.UsagePlans, error) {
		var of map[string]bool
		if in.KeyId != nil {
			if _, err := readKey(ctx, r, in.KeyId); err != nil {
				return nil, err
			}
			of = map[string]bool{}
			for e, err := range keyPlans.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*in.KeyId}}) {
				if err != nil {
					return nil, err
				}
				of[e.Key.String(1)] = true
			}
		}
		limit := in.Limit
		if limit != nil && *limit > 500 { // which AWS does not mind here: the developer portal asks for 1000
			limit = ptr(int32(500))
		}
		items, next, err := pageOf(ctx, r, plans, nil, limit, in.Position, func(p *api.UsagePlan) bool { return of == nil || of[*p.Id] })
		return &api.UsagePlans{Items: items, Position: next}, err
	})
}

func (s *Service) deleteUsagePlan(ctx context.Context, in *api.DeleteUsagePlanRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		p, err := readPlan(ctx, tx, in.UsagePlanId)
		if err != nil {
			return err
		}
		if len(p.ApiStages) > 0 {
			return api.BadRequestException("Cannot delete Usage Plan %s because there are API Stages associated with it, including %s:%s", *p.Id, *p.ApiStages[0].ApiId, *p.ApiStages[0].Stage)
		}
		for e, err := range planKeys.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{*p.Id}}) {
			if err != nil {
				return err
			}
			if err := leavePlan(tx, scope(ctx), *p.Id, e.Key.String(1)); err != nil {
				return err
			}
		}
		return errors.Join(plans.Delete(tx, scope(ctx), *p.Id), usageDays.DeleteAll(tx, scope(ctx), *p.Id), usagePeriods.DeleteAll(tx, scope(ctx), *p.Id))
	})
}

func (s *Service) updateUsagePlan(ctx context.Context, in *api.UpdateUsagePlanRequest) (*api.UsagePlan, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.UsagePlan, error) {
		p, err := readPlan(ctx, tx, in.UsagePlanId)
		if err != nil {
			return nil, err
		}
		for _, op := range ops {
			if err := patchPlan(ctx, tx, &p, op); err != nil {
				return nil, err
			}
		}
		if err := checkPlan(&p); err != nil {
			return nil, err
		}
		if err := checkKeys(ctx, tx, p); err != nil {
			return nil, err
		}
		return &p, plans.Put(tx, scope(ctx), p, *p.Id)
	})
}

// planRemovals are what a plan lets one remove.
const planRemovals = "[/apiStages, /quota, /throttle, /productCode, /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>, /apiStages/<apidId:stageName>/throttle]"

// patchPlan changes a plan by one operation.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateUsagePlan-Patch
func patchPlan(ctx context.Context, r store.Reader, p *api.UsagePlan, op patch) error {
	switch {
	case op.path == "/apiStages":
		return patchStages(ctx, r, p, op)
	case op.parts[0] == "apiStages" && len(op.parts) >= 3 && op.parts[2] == "throttle":
		return patchStageThrottle(p, op)
	case op.op == "remove":
		switch op.path {
		case "/quota":
			p.Quota = nil
		case "/throttle":
			p.Throttle = nil
		case "/productCode":
			p.ProductCode = nil
		case "/description":
			p.Description = nil
		default:
			return api.BadRequestException("Invalid patch path  '%s' specified for op 'remove'. Must be one of: %s", op.path, planRemovals)
		}
		return nil
	}
	if op.op == "add" {
		op.op = "replace" // of what is one value it is the same
	}
	if err := op.listed("/name", "/description", "/productCode", "/quota/limit", "/quota/offset", "/quota/period", "/throttle/rateLimit", "/throttle/burstLimit"); err != nil {
		return err
	}
	switch op.parts[0] {
	case "name":
		if strings.TrimSpace(op.value) == "" {
			return api.BadRequestException("Usage Plan name cannot be blank")
		}
		p.Name = &op.value
	case "description":
		p.Description = op.text()
	case "productCode":
		p.ProductCode = op.text()
	case "quota":
		if p.Quota == nil {
			p.Quota = &api.QuotaSettings{}
		}
		return patchQuota(p.Quota, op)
	case "throttle":
		if p.Throttle == nil {
			p.Throttle = &api.ThrottleSettings{}
		}
		return patchThrottle(p.Throttle, op.parts[1], op)
	}
	return nil
}

func patchQuota(q *api.QuotaSettings, op patch) error {
	if op.parts[1] == "period" {
		q.Period = &op.value
		return nil
	}
	n, err := strconv.ParseInt(op.value, 10, 32)
	if err != nil {
		return api.BadRequestException("Invalid value specified for '%s': %s", op.path, op.value)
	}
	if op.parts[1] == "limit" {
		q.Limit = ptr(int32(n))
	} else {
		q.Offset = ptr(int32(n))
	}
	return nil
}

func patchThrottle(t *api.ThrottleSettings, what string, op patch) error {
	switch what {
	case "rateLimit":
		f, err := strconv.ParseFloat(op.value, 64)
		if err != nil || f != f || f > 1e12 {
			return api.BadRequestException("Invalid value specified for '%s': %s", op.path, op.value)
		}
		t.RateLimit = &f
	case "burstLimit":
		n, err := strconv.ParseInt(op.value, 10, 32)
		if err != nil {
			return api.BadRequestException("Invalid value specified for '%s': %s", op.path, op.value)
		}
		t.BurstLimit = ptr(int32(n))
	default:
		return badPath(op.path)
	}
	return nil
}

// patchStages adds a stage "api:stage" to a plan, or takes it out.
func patchStages(ctx context.Context, r store.Reader, p *api.UsagePlan, op patch) error {
	id, name, ok := strings.Cut(op.value, ":")
	switch {
	case !ok:
		return api.BadRequestException("Invalid API Stage specified")
	case op.op == "add":
		return addStage(ctx, r, p, api.ApiStage{ApiId: &id, Stage: &name})
	case op.op != "remove":
		return api.BadRequestException("Invalid patch operation specified. Must be one of: [add, remove]")
	case stageOf(p, id, name) == nil:
		return api.NotFoundException("Usage Plan %s doesn't contain the API Stage {api: %s, stage: %s}", *p.Id, id, name)
	}
	p.ApiStages = slices.DeleteFunc(p.ApiStages, func(st api.ApiStage) bool { return aws.Value(st.ApiId) == id && aws.Value(st.Stage) == name })
	return nil
}

// patchStageThrottle changes the limits of methods of a stage: all at once, as JSON, or those
// of one: /apiStages/{api:stage}/throttle/{path}/{method}/rateLimit.
func patchStageThrottle(p *api.UsagePlan, op patch) error {
	id, name, _ := strings.Cut(op.parts[1], ":")
	st := stageOf(p, id, name)
	if st == nil {
		return api.NotFoundException("Usage Plan %s doesn't contain the API Stage {api: %s, stage: %s}", *p.Id, id, name)
	}
	st.Throttle = maps.Clone(st.Throttle)
	switch rest := op.parts[3:]; {
	case len(rest) == 0 && op.op == "remove":
		st.Throttle = nil
	case len(rest) == 0 && op.op == "replace":
		return replaceThrottles(st, op)
	case len(rest) == 2 && op.op == "remove":
		delete(st.Throttle, rest[0]+"/"+rest[1])
	case len(rest) == 3 && op.op != "remove":
		t := st.Throttle[rest[0]+"/"+rest[1]]
		if err := patchThrottle(&t, rest[2], op); err != nil {
			return err
		}
		st.Throttle = entry(st.Throttle, rest[0]+"/"+rest[1], op, t)
	default:
		return badPath(op.path)
	}
	return nil
}

func replaceThrottles(st *api.ApiStage, op patch) error {
	var all map[string]struct {
		BurstLimit *int32   `json:"burstLimit"`
		RateLimit  *float64 `json:"rateLimit"`
	}
	if err := json.Unmarshal([]byte(op.value), &all); err != nil {
		return api.BadRequestException("Invalid value specified for '%s': %s", op.path, op.value)
	}
	st.Throttle = make(map[string]api.ThrottleSettings, len(all))
	for where, t := range all {
		st.Throttle[where] = api.ThrottleSettings{BurstLimit: t.BurstLimit, RateLimit: t.RateLimit}
	}
	return nil
}

// joinPlan puts a key into a plan, and leavePlan takes it out.
func joinPlan(tx store.Tx, at store.Scope, plan, key string) error {
	return errors.Join(planKeys.Put(tx, at, true, plan, key), keyPlans.Put(tx, at, true, key, plan))
}

func leavePlan(tx store.Tx, at store.Scope, plan, key string) error {
	return errors.Join(planKeys.Delete(tx, at, plan, key), keyPlans.Delete(tx, at, key, plan),
		usageDays.DeleteAll(tx, at, plan, key), usagePeriods.DeleteAll(tx, at, plan, key))
}

// plansOf are the plans that a key is in.
func plansOf(ctx context.Context, r store.Reader, at store.Scope, key string) ([]api.UsagePlan, error) {
	var out []api.UsagePlan
	for e, err := range keyPlans.List(ctx, r, at, store.ListOptions{Prefix: []any{key}}) {
		if err != nil {
			return nil, err
		}
		p, err := plans.Get(ctx, r, at, e.Key.String(1))
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// apart refuses plans that have a stage in common: a key in two of them would not know
// whose limits hold.
func apart(all []api.UsagePlan) error {
	seen := map[string]bool{}
	for _, p := range all {
		for _, st := range p.ApiStages {
			name := aws.Value(st.ApiId) + ":" + aws.Value(st.Stage)
			if seen[name] {
				return api.ConflictException("Usage Plan %s cannot be added because API Key cannot reference multiple Usage Plans with the same API stage: %s", *p.Id, name)
			}
			seen[name] = true
		}
	}
	return nil
}

// checkKeys refuses a change of a plan that would leave one of its keys with two plans for a stage.
func checkKeys(ctx context.Context, r store.Reader, p api.UsagePlan) error {
	for e, err := range planKeys.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*p.Id}}) {
		if err != nil {
			return err
		}
		all, err := plansOf(ctx, r, scope(ctx), e.Key.String(1))
		if err != nil {
			return err
		}
		for i := range all {
			if *all[i].Id == *p.Id {
				all[i] = p
			}
		}
		if err := apart(all); err != nil {
			return err
		}
	}
	return nil
}

// leavePlans takes a stage that is deleted out of all plans; all stages of an API if stage is "".
func leavePlans(ctx context.Context, tx store.Tx, apiID, stage string) error {
	for e, err := range plans.List(ctx, tx, scope(ctx), store.ListOptions{}) {
		if err != nil {
			return err
		}
		p := e.Record
		n := len(p.ApiStages)
		p.ApiStages = slices.DeleteFunc(p.ApiStages, func(st api.ApiStage) bool {
			return aws.Value(st.ApiId) == apiID && (stage == "" || aws.Value(st.Stage) == stage)
		})
		if len(p.ApiStages) < n {
			if err := plans.Put(tx, scope(ctx), p, *p.Id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) createUsagePlanKey(ctx context.Context, in *api.CreateUsagePlanKeyRequest) (*api.UsagePlanKey, error) {
	if *in.KeyType != "API_KEY" {
		return nil, api.BadRequestException("Invalid key type specified: %s. Must be one of: [API_KEY]", *in.KeyType)
	}
	return update(ctx, s, func(tx store.Tx) (*api.UsagePlanKey, error) {
		p, err := readPlan(ctx, tx, in.UsagePlanId)
		if err != nil {
			return nil, err
		}
		k, err := readKey(ctx, tx, in.KeyId)
		if err != nil {
			return nil, err
		}
		all, err := plansOf(ctx, tx, scope(ctx), *k.Id)
		if err != nil {
			return nil, err
		}
		for _, have := range all {
			if *have.Id == *p.Id {
				return nil, api.ConflictException("Usage Plan %s already contains the API Key %s", *p.Id, *k.Id)
			}
		}
		if err := apart(append(all, p)); err != nil {
			return nil, err
		}
		return planKey(k), joinPlan(tx, scope(ctx), *p.Id, *k.Id)
	})
}

func planKey(k api.ApiKey) *api.UsagePlanKey {
	return &api.UsagePlanKey{Id: k.Id, Name: k.Name, Type: ptr("API_KEY"), Value: k.Value}
}

func noPlanKey(plan, key *string) error {
	return api.NotFoundException("Invalid Usage Plan Key identifier specified: %s is not in usage plan %s", aws.Value(key), aws.Value(plan))
}

func (s *Service) getUsagePlanKey(ctx context.Context, in *api.GetUsagePlanKeyRequest) (*api.UsagePlanKey, error) {
	return view(ctx, s, func(r store.Reader) (*api.UsagePlanKey, error) {
		if _, err := readPlan(ctx, r, in.UsagePlanId); err != nil {
			return nil, err
		}
		if err := require(ctx, r, planKeys, noPlanKey(in.UsagePlanId, in.KeyId), *in.UsagePlanId, *in.KeyId); err != nil {
			return nil, err
		}
		k, err := readKey(ctx, r, in.KeyId)
		return planKey(k), err
	})
}

func (s *Service) getUsagePlanKeys(ctx context.Context, in *api.GetUsagePlanKeysRequest) (*api.UsagePlanKeys, error) {
	return view(ctx, s, func(r store.Reader) (*api.UsagePlanKeys, error) {
		if _, err := readPlan(ctx, r, in.UsagePlanId); err != nil {
			return nil, err
		}
		of := map[string]bool{}
		for e, err := range planKeys.List(ctx, r, scope(ctx), store.ListOptions{Prefix: []any{*in.UsagePlanId}}) {
			if err != nil {
				return nil, err
			}
			of[e.Key.String(1)] = true
		}
		keys, next, err := pageOf(ctx, r, apiKeys, nil, in.Limit, in.Position, func(k *api.ApiKey) bool {
			return of[*k.Id] && strings.HasPrefix(aws.Value(k.Name), aws.Value(in.NameQuery))
		})
		out := &api.UsagePlanKeys{Items: []api.UsagePlanKey{}, Position: next}
		for _, k := range keys {
			out.Items = append(out.Items, *planKey(k))
		}
		return out, err
	})
}

func (s *Service) deleteUsagePlanKey(ctx context.Context, in *api.DeleteUsagePlanKeyRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		if _, err := readPlan(ctx, tx, in.UsagePlanId); err != nil {
			return err
		}
		if err := require(ctx, tx, planKeys, noPlanKey(in.UsagePlanId, in.KeyId), *in.UsagePlanId, *in.KeyId); err != nil {
			return err
		}
		return leavePlan(tx, scope(ctx), *in.UsagePlanId, *in.KeyId)
	})
}
