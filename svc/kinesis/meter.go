package kinesis

import (
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/kinesis"
)

// What a shard takes and gives in a second.
// https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
const (
	recordsIn = 1000
	bytesIn   = 1 << 20
	readsOut  = 5
	bytesOut  = 2 << 20
)

// A bucket holds what is left of an allowance, which fills up again within a second. It
// may be overdrawn by one use, and is paid back before the next.
type bucket struct {
	size, left float64
	at         time.Time
}

// fill adds what has come since.
func (b *bucket) fill(now time.Time) {
	if b.at.IsZero() {
		b.left = b.size
	} else if d := now.Sub(b.at); d > 0 {
		b.left = min(b.size, b.left+d.Seconds()*b.size)
	}
	b.at = now
}

// A meter is the allowances of one shard.
type meter struct{ recordsIn, bytesIn, readsOut, bytesOut bucket }

// meters are those of the shards in use. They begin anew with the process: what was
// used within a second is not worth a write.
type meters struct {
	mu sync.Mutex
	of map[meterID]*meter
}

type meterID struct {
	space uint64
	shard int
}

// maxMeters bounds what is remembered; when it is full it starts anew.
const maxMeters = 50000

// get is a shard's meter, under m's lock.
func (m *meters) get(id meterID) *meter {
	if m.of == nil || len(m.of) >= maxMeters {
		m.of = map[meterID]*meter{}
	}
	have := m.of[id]
	if have == nil {
		have = &meter{bucket{size: recordsIn}, bucket{size: bytesIn}, bucket{size: readsOut}, bucket{size: bytesOut}}
		m.of[id] = have
	}
	return have
}

func exceeded(index int, at ref) error {
	return api.ProvisionedThroughputExceededException("Rate exceeded for shard %s in stream %s under account %s.", shardID(index), at.name, at.scope.Account)
}

// meter refuses the entries that their shards have no room for.
func (s *Service) meter(at ref, st *stream, list []entry) {
	if st.Mode == api.StreamModeOnDemand {
		return
	}
	now := s.Clock.Now()
	s.meters.mu.Lock()
	defer s.meters.mu.Unlock()
	for i := range list {
		e := &list[i]
		m := s.meters.get(meterID{st.Space, e.shard})
		m.recordsIn.fill(now)
		m.bytesIn.fill(now)
		// A record larger than a second's bytes is taken when the second is whole.
		if size := float64(e.size()); m.recordsIn.left < 1 || m.bytesIn.left < min(size, bytesIn) {
			e.refused = exceeded(e.shard, at)
		} else {
			m.recordsIn.left--
			m.bytesIn.left -= size
		}
	}
}

// meterRead refuses a read beyond a shard's allowance.
func (s *Service) meterRead(at ref, st *stream, index int) error {
	now := s.Clock.Now()
	s.meters.mu.Lock()
	defer s.meters.mu.Unlock()
	m := s.meters.get(meterID{st.Space, index})
	m.readsOut.fill(now)
	m.bytesOut.fill(now)
	if m.readsOut.left < 1 || m.bytesOut.left <= 0 {
		return exceeded(index, at)
	}
	m.readsOut.left--
	return nil
}

// wasRead takes what a read gave off the shard's allowance, which may be overdrawn: one
// answer holds up to 10 MB.
func (s *Service) wasRead(st *stream, index, bytes int) {
	s.meters.mu.Lock()
	defer s.meters.mu.Unlock()
	s.meters.get(meterID{st.Space, index}).bytesOut.left -= float64(bytes)
}
