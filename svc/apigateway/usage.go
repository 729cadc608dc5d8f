package apigateway

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// What plans count of their keys: each request is on disk before it goes to the back end, so
// that what a quota lets through is right to the request, whatever happens to the process.
var (
	usageDays    = store.NewTable[usageDay](service, "usage")           // plan, key, date
	usagePeriods = store.NewTable[usagePeriod](service, "usage-period") // plan, key, date on which it begins
	usageHours   = store.NewTable[int64](service, "usage-hour")         // product code, customer, hour in seconds since 1970
)

// A usageDay is what a key used on a day, and what its quota had left at the end of it.
type usageDay struct{ Used, Remaining int64 }

// A usagePeriod is what a key used of its quota, and what was granted beyond it.
type usagePeriod struct{ Used, Extra int64 }

const dateForm = "2006-01-02"

// periodOf is the date on which a quota's period begins: a week's is a Sunday, a month's the
// first, each by so many days later as the offset says. All is in UTC.
func periodOf(q *api.QuotaSettings, day time.Time) time.Time {
	day = day.UTC().Truncate(24 * time.Hour)
	offset := int(aws.Value(q.Offset))
	switch *q.Period {
	case "WEEK":
		return day.AddDate(0, 0, -(int(day.Weekday())-offset+7)%7)
	case "MONTH":
		begin := time.Date(day.Year(), day.Month(), 1+offset, 0, 0, 0, 0, time.UTC)
		if begin.After(day) {
			begin = time.Date(day.Year(), day.Month()-1, 1+offset, 0, 0, 0, 0, time.UTC)
		}
		return begin
	}
	return day
}

// left is what a quota has left.
func (u usagePeriod) left(q *api.QuotaSettings) int64 {
	return max(int64(*q.Limit)+u.Extra-u.Used, 0)
}

func readPeriod(ctx context.Context, r store.Reader, at store.Scope, plan, key string, begin time.Time) (usagePeriod, error) {
	u, err := usagePeriods.Get(ctx, r, at, plan, key, begin.Format(dateForm))
	return u, orElse(err, nil)
}

// counters count requests by plan and key. Requests that come while others are being written
// wait, and are written together.
type counters struct {
	mu    sync.Mutex
	lanes map[laneKey][]counted // those that wait; a lane that is there is being written
}

type laneKey struct {
	at        store.Scope
	plan, key string
}

// counted is one request that waits to be counted.
type counted struct {
	plan     *api.UsagePlan
	customer string
	done     chan verdict
}

type verdict struct {
	within bool
	err    error
}

// count counts a request, if the plan's quota has anything left for it.
func (s *Service) count(ctx context.Context, at store.Scope, plan *api.UsagePlan, key *api.ApiKey) (within bool, err error) {
	lane := laneKey{at, *plan.Id, *key.Id}
	one := counted{plan: plan, customer: aws.Value(key.CustomerId), done: make(chan verdict, 1)}
	c := &s.counters
	c.mu.Lock()
	waiting, busy := c.lanes[lane]
	c.lanes[lane] = append(waiting, one)
	c.mu.Unlock()
	if !busy {
		go s.drain(context.WithoutCancel(ctx), lane)
	}
	v := <-one.done
	return v.within, v.err
}

// drain writes what waits in a lane until nothing does.
func (s *Service) drain(ctx context.Context, lane laneKey) {
	c := &s.counters
	for {
		c.mu.Lock()
		all := c.lanes[lane]
		if len(all) == 0 {
			delete(c.lanes, lane)
			c.mu.Unlock()
			return
		}
		c.lanes[lane] = nil
		c.mu.Unlock()
		n, err := s.write(ctx, lane, all)
		for i, one := range all {
			one.done <- verdict{within: err == nil && int64(i) < n, err: err}
		}
	}
}

// write counts requests, and returns how many of them the quota has room for.
func (s *Service) write(ctx context.Context, lane laneKey, all []counted) (n int64, err error) {
	plan, now := all[0].plan, s.Clock.Now().UTC()
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		n = int64(len(all))
		day, err := usageDays.Get(ctx, tx, lane.at, lane.plan, lane.key, now.Format(dateForm))
		if err := orElse(err, nil); err != nil {
			return err
		}
		if q := plan.Quota; q != nil {
			begin := periodOf(q, now)
			u, err := readPeriod(ctx, tx, lane.at, lane.plan, lane.key, begin)
			if err != nil {
				return err
			}
			n = min(n, u.left(q))
			u.Used += n
			day.Remaining = u.left(q)
			if err := usagePeriods.Put(tx, lane.at, u, lane.plan, lane.key, begin.Format(dateForm)); err != nil {
				return err
			}
		}
		if n == 0 {
			return nil
		}
		day.Used += n
		if err := usageDays.Put(tx, lane.at, day, lane.plan, lane.key, now.Format(dateForm)); err != nil {
			return err
		}
		return meterProduct(ctx, tx, lane.at, plan, all[0].customer, now, n)
	})
	return n, err
}

// meterProduct counts what a customer uses of a product of the Marketplace, by the hour.
func meterProduct(ctx context.Context, tx store.Tx, at store.Scope, plan *api.UsagePlan, customer string, now time.Time, n int64) error {
	product := aws.Value(plan.ProductCode)
	if product == "" || customer == "" {
		return nil
	}
	hour := strconv.FormatInt(now.Truncate(time.Hour).Unix(), 10)
	have, err := usageHours.Get(ctx, tx, at, product, customer, hour)
	if err := orElse(err, nil); err != nil {
		return err
	}
	return usageHours.Put(tx, at, have+n, product, customer, hour)
}

// maxUsageDays is how long a time GetUsage answers for.
const maxUsageDays = 90

// getUsage lists what keys of a plan used on each day, and what they had left at the end of it.
func (s *Service) getUsage(ctx context.Context, in *api.GetUsageRequest) (*api.Usage, error) {
	begin, err := time.Parse(dateForm, *in.StartDate)
	if err != nil {
		return nil, api.BadRequestException("Usage start date must be in the format yyyy-mm-dd")
	}
	end, err := time.Parse(dateForm, *in.EndDate)
	switch {
	case err != nil:
		return nil, api.BadRequestException("Usage end date must be in the format yyyy-mm-dd")
	case end.Before(begin):
		return nil, api.BadRequestException("Usage start date must be before or equal to the end date")
	case end.Sub(begin) > maxUsageDays*24*time.Hour:
		return nil, api.BadRequestException("Usage date range must be at most %d days", maxUsageDays)
	}
	return view(ctx, s, func(r store.Reader) (*api.Usage, error) {
		plan, err := readPlan(ctx, r, in.UsagePlanId)
		if err != nil {
			return nil, err
		}
		out := &api.Usage{UsagePlanId: plan.Id, StartDate: in.StartDate, EndDate: in.EndDate, Items: map[string][][]int64{}}
		keys := []string{aws.Value(in.KeyId)}
		if in.KeyId == nil {
			if keys, out.Position, err = pageOfKeys(ctx, r, *plan.Id, in.Limit, in.Position); err != nil {
				return nil, err
			}
		} else if err := require(ctx, r, planKeys, noPlanKey(plan.Id, in.KeyId), *plan.Id, *in.KeyId); err != nil {
			return nil, err
		}
		for _, key := range keys {
			if out.Items[key], err = s.usageOf(ctx, r, &plan, key, begin, end); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// pageOfKeys are keys of a plan.
func pageOfKeys(ctx context.Context, r store.Reader, plan string, limit *int32, position *string) (ids []string, next *string, err error) {
	size := 100
	if limit != nil {
		size = int(*limit)
	}
	if size < 1 || size > 1000 {
		return nil, nil, api.BadRequestException("Invalid limit specified. Must be between 1 and 1000")
	}
	o := store.ListOptions{Prefix: []any{plan}, Limit: size + 1}
	if aws.Value(position) != "" {
		var last string
		if !aws.ParseToken(*position, &last) {
			return nil, nil, api.BadRequestException("Invalid position parameter specified")
		}
		o.After = []any{plan, last}
	}
	for e, err := range planKeys.List(ctx, r, scope(ctx), o) {
		if err != nil {
			return nil, nil, err
		}
		if len(ids) == size {
			return ids, ptr(aws.Token(ids[size-1])), nil
		}
		ids = append(ids, e.Key.String(1))
	}
	return ids, nil, nil
}

// usageOf is what a key used on each day, up to today. On a day without a request as much is
// left as on the one before it, or all at the begin of a period.
func (s *Service) usageOf(ctx context.Context, r store.Reader, plan *api.UsagePlan, key string, begin, end time.Time) ([][]int64, error) {
	out := [][]int64{}
	now := s.Clock.Now().UTC()
	for day := begin; !day.After(end) && !day.After(now); day = day.AddDate(0, 0, 1) {
		u, err := usageDays.Get(ctx, r, scope(ctx), *plan.Id, key, day.Format(dateForm))
		if errors.Is(err, store.ErrNotFound) {
			err = nil
			if plan.Quota != nil {
				u.Remaining, err = leftBefore(ctx, r, plan, key, day)
			}
		}
		if err != nil {
			return nil, err
		}
		out = append(out, []int64{u.Used, u.Remaining})
	}
	return out, nil
}

// leftBefore is what was left on a day without a request.
func leftBefore(ctx context.Context, r store.Reader, plan *api.UsagePlan, key string, day time.Time) (int64, error) {
	period := periodOf(plan.Quota, day)
	o := store.ListOptions{Prefix: []any{*plan.Id, key}, To: []any{*plan.Id, key, day.Format(dateForm)}, From: []any{*plan.Id, key, period.Format(dateForm)}, Reverse: true, Limit: 1}
	for e, err := range usageDays.List(ctx, r, scope(ctx), o) {
		return e.Record.Remaining, err
	}
	return int64(*plan.Quota.Limit), nil
}

// updateUsage grants a key more, or less, for the rest of the present period.
func (s *Service) updateUsage(ctx context.Context, in *api.UpdateUsageRequest) (*api.Usage, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now().UTC()
	today := now.Format(dateForm)
	return update(ctx, s, func(tx store.Tx) (*api.Usage, error) {
		plan, err := readPlan(ctx, tx, in.UsagePlanId)
		if err != nil {
			return nil, err
		}
		if err := require(ctx, tx, planKeys, noPlanKey(plan.Id, in.KeyId), *plan.Id, *in.KeyId); err != nil {
			return nil, err
		}
		if plan.Quota == nil {
			return nil, api.BadRequestException("Usage Plan %s has no quota", *plan.Id)
		}
		begin := periodOf(plan.Quota, now)
		u, err := readPeriod(ctx, tx, scope(ctx), *plan.Id, *in.KeyId, begin)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := p.listed("/remaining"); err != nil {
				return nil, err
			}
			n, err := strconv.ParseInt(p.value, 10, 32)
			if err != nil || n < 0 {
				return nil, api.BadRequestException("Invalid value specified for '%s': %s", p.path, p.value)
			}
			u.Extra = n + u.Used - int64(*plan.Quota.Limit)
		}
		day, err := usageDays.Get(ctx, tx, scope(ctx), *plan.Id, *in.KeyId, today)
		if err := orElse(err, nil); err != nil {
			return nil, err
		}
		day.Remaining = u.left(plan.Quota)
		if err := usagePeriods.Put(tx, scope(ctx), u, *plan.Id, *in.KeyId, begin.Format(dateForm)); err != nil {
			return nil, err
		}
		return &api.Usage{UsagePlanId: plan.Id, StartDate: &today, EndDate: &today, Items: map[string][][]int64{*in.KeyId: {{day.Used, day.Remaining}}}},
			usageDays.Put(tx, scope(ctx), day, *plan.Id, *in.KeyId, today)
	})
}
