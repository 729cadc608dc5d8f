package cloudtrail

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// Record takes a call into account. It is called with every request, and does not wait
// for the disk: what is to be kept goes into a bounded queue, which Run empties. Where
// the queue is full, Record waits some milliseconds for room; a denial longer, and it
// goes to the program's log rather than nowhere.
//
// For an allowed data event it counts, and allocates nothing.
func (s *Service) Record(ctx context.Context, e *aws.Event) {
	now := s.Clock.Now()
	s.activity.mark(e, now)
	refused := denied(e)
	data := e.Op == nil || isData(e.Op)
	if !refused && data && (e.Op == nil || !s.wanted(ctx, e)) {
		return
	}
	at := e.Request.Time
	if e.Within || at.IsZero() {
		at = now.Add(-e.Took)
	}
	accounts := accountsOf(e)
	if len(accounts) == 0 {
		return // a stranger, and nobody's resource
	}
	v := s.eventOf(e, at)
	n := &note{at: at, forTrails: data && !refused, event: v, caller: identifiable(&e.Request.Caller), via: slices.Clone(e.Request.Via)}
	for i := range e.Decisions {
		if as := e.Decisions[i].As; as != nil {
			n.caller = identifiable(as)
		}
	}
	for _, a := range accounts {
		n.copies = append(n.copies, copyFor{a, aws.RandomUUID(s.Random)})
	}
	if len(accounts) > 1 {
		n.event.SharedEventID = aws.RandomUUID(s.Random)
	}
	s.queue.put(s, n, refused)
}

// identifiable is what userIdentity says of a caller, without what may change.
func identifiable(c *aws.Caller) aws.Caller {
	return aws.Caller{Kind: c.Kind, Account: c.Account, ARN: c.ARN, UserID: c.UserID, AccessKeyID: c.AccessKeyID, Role: c.Role,
		SourceIdentity: c.SourceIdentity, Provider: c.Provider, IssuedAt: c.IssuedAt, MFAAt: c.MFAAt}
}

// accountsOf are the accounts in whose logs a call belongs: the caller's, and those
// whose resources it was on.
func accountsOf(e *aws.Event) []string {
	var out []string
	add := func(account string) {
		if account != "" && len(out) < maxAccounts && !slices.Contains(out, account) {
			out = append(out, account)
		}
	}
	home := e.Request.Caller.Account
	add(home)
	for i := range e.Decisions {
		add(ownerOf(&e.Decisions[i], home))
	}
	return out
}

// A note is an event that waits to be written, for the log of each account it concerns.
type note struct {
	at     time.Time
	event  event
	caller aws.Caller
	via    []string
	copies []copyFor
	// forTrails says that the event is none of the audit log's.
	forTrails bool
}

type copyFor struct{ account, id string }

// size is about how much memory the note takes.
func (n *note) size() int {
	size := 1024 + len(n.event.RequestParameters) + len(n.event.ResponseElements) + len(n.event.ErrorMessage)
	for i := range n.event.Additional.Decisions {
		d := &n.event.Additional.Decisions[i]
		size += 256 + len(d.Resource) + len(d.Evaluation) + len(d.Message)
	}
	return size
}

// A record is an event in the store: what lookups go by, and the event as JSON.
type record struct {
	ID, Request   string
	Name, Source  string
	User, Key     string
	ReadOnly      bool
	ResourceTypes []string
	Resources     []string // names; each has a type at the same place
	ARNs          []string
	Event         []byte
}

// events are kept by time and id.
var events = store.NewTable[record]("cloudtrail", "event")

// byID leads from the id of an event, and of a request, to events: id, time, event id.
var byID = store.NewTable[[]byte]("cloudtrail", "id")

// save writes a note, in the transaction of its batch.
func (n *note) save(ctx context.Context, tx store.Tx, k *keeper) error {
	for _, c := range n.copies {
		v := n.event.of(c.account, &n.caller, n.via)
		v.EventID = c.id
		rec, err := recordOf(&v, userName(&n.caller), n.caller.AccessKeyID)
		if err != nil {
			return err
		}
		if err := k.keep(ctx, tx, &v, n.at, rec.Event); err != nil {
			return err
		}
		if n.forTrails {
			continue
		}
		sc, until := store.Scope{Account: c.account, Region: v.AWSRegion}, n.at.Add(keep)
		if err := events.PutExpiring(tx, sc, rec, until, n.at, c.id); err != nil {
			return err
		}
		for _, id := range []string{c.id, v.RequestID} {
			if err := byID.PutExpiring(tx, sc, nil, until, id, n.at, c.id); err != nil {
				return err
			}
		}
	}
	return nil
}

func recordOf(v *event, user, key string) (record, error) {
	body, err := v.encode()
	if err != nil {
		return record{}, fmt.Errorf("the event %s of %s: %w", v.EventID, v.EventName, err)
	}
	rec := record{ID: v.EventID, Request: v.RequestID, Name: v.EventName, Source: v.EventSource, User: user, Key: key, ReadOnly: v.ReadOnly, Event: body}
	if v.UserIdentity.Type == "AWSAccount" {
		rec.User, rec.Key = "", ""
	}
	for _, r := range v.Resources {
		_, name := resourceOf(r.ARN)
		if name == "" {
			continue // all of a kind
		}
		rec.Resources, rec.ResourceTypes, rec.ARNs = append(rec.Resources, name), append(rec.ResourceTypes, r.Type), append(rec.ARNs, r.ARN)
	}
	return rec, nil
}

// MarshalBinary is each text behind its length, then the event.
func (r *record) MarshalBinary() ([]byte, error) {
	b := make([]byte, 0, len(r.Event)+256)
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	for _, s := range []string{r.ID, r.Request, r.Name, r.Source, r.User, r.Key} {
		text(s)
	}
	read := byte(0)
	if r.ReadOnly {
		read = 1
	}
	b = append(b, read)
	b = binary.AppendUvarint(b, uint64(len(r.Resources)))
	for i := range r.Resources {
		text(r.ResourceTypes[i])
		text(r.Resources[i])
		text(r.ARNs[i])
	}
	return append(b, r.Event...), nil
}

// UnmarshalBinary is its inverse.
func (r *record) UnmarshalBinary(b []byte) error {
	whole := true
	number := func() int {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > uint64(len(b)-n) {
			whole, b = false, nil
			return 0
		}
		b = b[n:]
		return int(v)
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	*r = record{ID: text(), Request: text(), Name: text(), Source: text(), User: text(), Key: text()}
	if len(b) > 0 {
		r.ReadOnly, b = b[0] == 1, b[1:]
	} else {
		whole = false
	}
	for range number() {
		r.ResourceTypes, r.Resources, r.ARNs = append(r.ResourceTypes, text()), append(r.Resources, text()), append(r.ARNs, text())
		if !whole {
			break
		}
	}
	if !whole {
		return fmt.Errorf("%w: an event of the audit log", store.ErrDamaged)
	}
	r.Event = b
	return nil
}
