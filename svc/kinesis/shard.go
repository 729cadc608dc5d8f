package kinesis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A hash is where a record belongs: 128 bits, in the order of numbers.
type hash [16]byte

// String is a hash as clients know it: a decimal.
func (h hash) String() string { return new(big.Int).SetBytes(h[:]).String() }

// parseHash reads a decimal below 2^128.
func parseHash(text string) (h hash, ok bool) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 128 {
		return h, false
	}
	n.FillBytes(h[:])
	return h, true
}

// MarshalText implements encoding.TextMarshaler.
func (h hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hash) UnmarshalText(b []byte) (err error) {
	var ok bool
	if *h, ok = parseHash(string(b)); !ok {
		err = fmt.Errorf("kinesis: %q is no hash", b)
	}
	return err
}

func (h hash) compare(o hash) int { return slices.Compare(h[:], o[:]) }

// before is the hash below h, which is not 0.
func (h hash) before() hash {
	for i := len(h) - 1; ; i-- {
		h[i]--
		if h[i] != 0xff {
			return h
		}
	}
}

// after is the hash above h, which is not the last.
func (h hash) after() hash {
	for i := len(h) - 1; ; i-- {
		h[i]++
		if h[i] != 0 {
			return h
		}
	}
}

// lastHash is the greatest.
var lastHash = hash{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// A span is the hashes from low to high, both included.
type span struct{ Low, High hash }

// evenly is n spans that share all hashes.
func evenly(n int) []newShard {
	all := new(big.Int).Lsh(big.NewInt(1), 128)
	width := new(big.Int).Div(all, big.NewInt(int64(n)))
	out := make([]newShard, n)
	for i := range out {
		new(big.Int).Mul(width, big.NewInt(int64(i))).FillBytes(out[i].Low[:])
		if i > 0 {
			out[i-1].High = out[i].Low.before()
		}
	}
	out[n-1].High = lastHash
	return out
}

// A newShard is a shard to be, and those that it comes from.
type newShard struct {
	span
	parents []int
}

// shard is a shard's record. Its records have numbers from First on; once it is closed,
// below Last.
type shard struct {
	span
	Index       int `json:"-"` // in the key
	Parents     []int
	First, Last uint64
	Opened      time.Time
	Closed      time.Time // zero while it is open
}

// MarshalBinary implements encoding.BinaryMarshaler: JSON, with what span embeds.
func (sh shard) MarshalBinary() ([]byte, error) { type plain shard; return json.Marshal(plain(sh)) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (sh *shard) UnmarshalBinary(b []byte) error {
	type plain shard
	return json.Unmarshal(b, (*plain)(sh))
}

func (sh *shard) open() bool { return sh.Last == 0 }

func shardID(index int) string { return fmt.Sprintf("shardId-%012d", index) }

// shardIndex reads a shard's id.
func shardIndex(id string) (int, bool) {
	digits, ok := strings.CutPrefix(id, "shardId-")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil && shardID(n) == id
}

// sequence is a record's number as clients know it: a decimal of 56 digits, which grows
// within a shard and from a shard to those that come from it.
func sequence(index int, n uint64) string { return fmt.Sprintf("49%034d%020d", index, n) }

// parseSequence reads what sequence wrote.
func parseSequence(text string) (index int, n uint64, ok bool) {
	if len(text) != 56 || !strings.HasPrefix(text, "49") {
		return 0, 0, false
	}
	index, err1 := strconv.Atoi(text[2:36])
	n, err2 := strconv.ParseUint(text[36:], 10, 64)
	return index, n, err1 == nil && err2 == nil && sequence(index, n) == text
}

// described is a shard as calls describe it.
func (sh *shard) described() api.Shard {
	id, low, high, first := shardID(sh.Index), sh.Low.String(), sh.High.String(), sequence(sh.Index, sh.First)
	out := api.Shard{ShardId: &id, HashKeyRange: &api.HashKeyRange{StartingHashKey: &low, EndingHashKey: &high},
		SequenceNumberRange: &api.SequenceNumberRange{StartingSequenceNumber: &first}}
	if !sh.open() {
		last := sequence(sh.Index, sh.Last)
		out.SequenceNumberRange.EndingSequenceNumber = &last
	}
	for i, place := range []**string{&out.ParentShardId, &out.AdjacentParentShardId} {
		if i < len(sh.Parents) {
			parent := shardID(sh.Parents[i])
			*place = &parent
		}
	}
	return out
}

// shardsOf lists a stream's shards from an index on, at most limit unless it is 0, but
// for those whose records have all been there for longer than the stream keeps them.
func (s *Service) shardsOf(ctx context.Context, r store.Reader, scope store.Scope, st *stream, from, limit int) ([]shard, error) {
	var out []shard
	horizon := s.horizon(st)
	for e, err := range shardRecords.List(ctx, r, scope, store.ListOptions{Prefix: []any{st.Space}, From: []any{st.Space, int64(from)}}) {
		if err != nil {
			return nil, err
		}
		sh := e.Record
		sh.Index = int(e.Key.Int(1))
		if !sh.open() && sh.Closed.Before(horizon) {
			continue
		}
		if out = append(out, sh); len(out) == limit {
			break
		}
	}
	return out, nil
}

// horizon is the time before which a stream's records are gone.
func (s *Service) horizon(st *stream) time.Time {
	return s.Clock.Now().Add(-time.Duration(st.Hours) * time.Hour)
}

// shardOf reads the shard of an id.
func (s *Service) shardOf(ctx context.Context, r store.Reader, at ref, st *stream, id string) (shard, error) {
	missing := api.ResourceNotFoundException("Could not find shard %s in stream %s under account %s.", id, at.name, at.scope.Account)
	index, ok := shardIndex(id)
	if !ok {
		return shard{}, missing
	}
	sh, err := shardRecords.Get(ctx, r, at.scope, st.Space, int64(index))
	if errors.Is(err, store.ErrNotFound) {
		return sh, missing
	}
	sh.Index = index
	return sh, err
}

// openShards adds shards to a stream; st is the caller's to write.
func (s *Service) openShards(tx store.Tx, scope store.Scope, st *stream, list []newShard) ([]shard, error) {
	var out []shard
	for _, n := range list {
		first, err := s.numbering.Single()
		if err != nil {
			return nil, err
		}
		sh := shard{span: n.span, Index: st.Shards, Parents: n.parents, First: first, Opened: s.Clock.Now()}
		if err := shardRecords.Put(tx, scope, sh, st.Space, int64(sh.Index)); err != nil {
			return nil, err
		}
		out = append(out, sh)
		st.Shards++
		st.Open++
	}
	st.Epoch++
	return out, nil
}

// closeShard ends a shard: what was written to it has lower numbers than its end. A
// write that comes in between is in what is read here, so that this transaction runs
// again; one that comes after it finds the stream's record changed.
func (s *Service) closeShard(ctx context.Context, tx store.Tx, scope store.Scope, st *stream, sh shard) error {
	for _, err := range dataRecords.List(ctx, tx, scope, store.ListOptions{Prefix: []any{st.Space, int64(sh.Index)}, Limit: 1, Reverse: true}) {
		if err != nil {
			return err
		}
	}
	last, err := s.numbering.Single()
	if err != nil {
		return err
	}
	sh.Last, sh.Closed = last, s.Clock.Now()
	st.Open--
	return shardRecords.Put(tx, scope, sh, st.Space, int64(sh.Index))
}

// A layout is a stream's open shards, in the order of their hashes.
type layout struct {
	epoch  int
	shards []shard
}

// of is the shard in which a hash belongs.
func (l *layout) of(h hash) *shard {
	i, ok := slices.BinarySearchFunc(l.shards, h, func(sh shard, h hash) int { return sh.Low.compare(h) })
	if !ok {
		i--
	}
	return &l.shards[i]
}

// layouts remembers the layouts of streams that were written to: a cache, whose epoch
// says whether it holds.
type layouts struct {
	mu sync.RWMutex
	of map[uint64]*layout
}

// maxLayouts bounds the cache; when it is full it starts anew.
const maxLayouts = 1000

func (l *layouts) forget(space uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.of, space)
}

// layout is a stream's, of the epoch of st.
func (s *Service) layout(ctx context.Context, r store.Reader, scope store.Scope, st *stream) (*layout, error) {
	l := &s.layouts
	l.mu.RLock()
	have := l.of[st.Space]
	l.mu.RUnlock()
	if have != nil && have.epoch == st.Epoch {
		return have, nil
	}
	shards, err := s.shardsOf(ctx, r, scope, st, 0, 0)
	if err != nil {
		return nil, err
	}
	shards = slices.DeleteFunc(shards, func(sh shard) bool { return !sh.open() })
	slices.SortFunc(shards, func(a, b shard) int { return a.Low.compare(b.Low) })
	have = &layout{st.Epoch, shards}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || len(l.of) >= maxLayouts {
		l.of = map[uint64]*layout{}
	}
	l.of[st.Space] = have
	return have, nil
}

func (s *Service) listShards(ctx context.Context, in *api.ListShardsInput) (*api.ListShardsOutput, error) {
	p, err := listing(ctx, in)
	if err != nil {
		return nil, err
	}
	limit := 1000
	if in.MaxResults != nil {
		limit = min(int(*in.MaxResults), limit)
	}
	out := &api.ListShardsOutput{Shards: []api.Shard{}}
	err = s.Store.View(ctx, func(r store.Reader) error {
		st, err := p.at.find(ctx, r)
		if err != nil {
			return err
		}
		if in.StreamCreationTimestamp != nil && !in.StreamCreationTimestamp.Equal(st.Created) {
			return p.at.notFound()
		}
		shards, err := s.shardsOf(ctx, r, p.at.scope, &st, p.From, 0)
		if err != nil {
			return err
		}
		horizon := s.horizon(&st)
		for i := range shards {
			if !p.wants(&shards[i], horizon) {
				continue
			}
			if len(out.Shards) == limit {
				p.From = shards[i].Index
				token := aws.Token(p)
				out.NextToken = &token
				return nil
			}
			out.Shards = append(out.Shards, shards[i].described())
		}
		return nil
	})
	return out, err
}

// shardPage is where a list of shards goes on, and what it shows.
type shardPage struct {
	at              ref
	Account, Region string
	Name            string
	From            int
	Filter          string    `json:",omitempty"`
	Time            time.Time // of the filter
}

// listing reads what ListShards is asked for.
func listing(ctx context.Context, in *api.ListShardsInput) (p shardPage, err error) {
	if in.NextToken != nil {
		switch {
		case in.StreamName != nil || in.StreamARN != nil:
			return p, api.InvalidArgumentException("NextToken and StreamName cannot be provided together.")
		case !aws.ParseToken(*in.NextToken, &p):
			return p, api.ExpiredNextTokenException("The NextToken is not one that ListShards gave.")
		}
		p.at = ref{store.Scope{Account: p.Account, Region: p.Region}, p.Name}
		return p, nil
	}
	if p.at, err = (target{in.StreamName, in.StreamARN}).ref(ctx); err != nil {
		return p, err
	}
	p.Account, p.Region, p.Name = p.at.scope.Account, p.at.scope.Region, p.at.name
	start := in.ExclusiveStartShardId
	if f := in.ShardFilter; f != nil {
		p.Filter, p.Time = *f.Type, aws.Value(f.Timestamp)
		switch *f.Type {
		case api.ShardFilterTypeAfterShardId:
			if start = f.ShardId; start == nil {
				return p, api.InvalidArgumentException("ShardFilter of type AFTER_SHARD_ID requires a ShardId.")
			}
		case api.ShardFilterTypeAtTimestamp, api.ShardFilterTypeFromTimestamp:
			if f.Timestamp == nil {
				return p, api.InvalidArgumentException("ShardFilter of type %s requires a Timestamp.", *f.Type)
			}
		}
	}
	if start != nil {
		i, ok := shardIndex(*start)
		if !ok {
			return p, api.InvalidArgumentException("%s is not the id of a shard.", *start)
		}
		p.From = i + 1
	}
	return p, nil
}

// wants reports whether the filter shows a shard.
func (p *shardPage) wants(sh *shard, horizon time.Time) bool {
	from := p.Time
	if from.Before(horizon) {
		from = horizon
	}
	switch p.Filter {
	case api.ShardFilterTypeAtLatest:
		return sh.open()
	case api.ShardFilterTypeAtTrimHorizon:
		return !sh.Opened.After(horizon) || len(sh.Parents) == 0
	case api.ShardFilterTypeAtTimestamp:
		return !sh.Opened.After(from) && (sh.open() || !sh.Closed.Before(from))
	case api.ShardFilterTypeFromTimestamp:
		return sh.open() || !sh.Closed.Before(from)
	}
	return true
}
