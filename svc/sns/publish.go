package sns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"regexp"
	"strings"
	"sync"
	"time"

	api "github.com/tule-cloud/tule/api/sns"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/sns/filter"
)

// dedupWindow is how long a FIFO topic knows a message again.
const dedupWindow = 5 * time.Minute

// duplicate is what a message that came twice is answered with.
type duplicate struct{ ID, Sequence string }

// entry is a message to publish, as Publish and PublishBatch take it.
type entry struct {
	body, subject, structure, group, dedup *string
	attributes                             map[string]api.MessageAttributeValue
}

// outgoing is an entry on its way into the store.
type outgoing struct {
	message
	number int64
	fan    fan
	twice  bool // it came before, as ID
	// filtered is how many subscriptions do not want it.
	filtered int
}

func (s *Service) publish(ctx context.Context, in *api.PublishInput) (*api.PublishResponse, error) {
	e := entry{in.Message, in.Subject, in.MessageStructure, in.MessageGroupId, in.MessageDeduplicationId, in.MessageAttributes}
	if in.PhoneNumber != nil {
		return s.publishSMS(ctx, *in.PhoneNumber, e)
	}
	arn := in.TopicArn
	member := "TopicArn"
	if arn == nil {
		arn = in.TargetArn
		if strings.Contains(aws.Value(arn), ":endpoint/") {
			return s.publishToEndpoint(ctx, *arn, e)
		}
	}
	if arn == nil {
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	}
	m, err := s.newMessage(ctx, e)
	if err != nil {
		return nil, err
	}
	at, err := parseRef(ctx, member, arn)
	if err != nil {
		return nil, err
	}
	out := []*outgoing{{message: *m}}
	if err := s.post(ctx, at, out); err != nil {
		return nil, err
	}
	res := &api.PublishResponse{MessageId: &out[0].ID}
	if out[0].Sequence != "" {
		res.SequenceNumber = &out[0].Sequence
	}
	return res, nil
}

// newMessage holds what is to be published against AWS's rules.
func (s *Service) newMessage(ctx context.Context, e entry) (*message, error) {
	req := aws.RequestOf(ctx)
	m := &message{ID: aws.RandomUUID(s.Random), Type: notification, Body: aws.Value(e.body), Subject: aws.Value(e.subject),
		Group: aws.Value(e.group), Dedup: aws.Value(e.dedup), Time: s.Clock.Now().Truncate(time.Millisecond), Trace: req.Trace}
	if e.subject != nil && !validSubject(m.Subject) {
		return nil, invalid("Subject")
	}
	if m.Body == "" {
		return nil, invalid("Empty message")
	}
	var err error
	if m.Attributes, err = newAttributes(e.attributes); err != nil {
		return nil, err
	}
	if m.size(m.Body) > maxMessage {
		return nil, invalid("Message too long")
	}
	switch aws.Value(e.structure) {
	case "":
	case "json":
		if err := m.structured(); err != nil {
			return nil, err
		}
	default:
		return nil, invalid("MessageStructure")
	}
	return m, nil
}

// validSubject: a line of at most 100 characters.
func validSubject(s string) bool {
	if s == "" || len([]rune(s)) > 100 || s[0] == ' ' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// structured takes apart a body that has another one for each protocol.
func (m *message) structured() error {
	var all map[string]any
	if json.Unmarshal([]byte(m.Body), &all) != nil || all == nil {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	m.PerKind = map[string]string{}
	for k, v := range all {
		if text, ok := v.(string); ok {
			m.PerKind[k] = text
		}
	}
	body, ok := m.PerKind["default"]
	if !ok {
		return invalid("Message Structure - No default entry in JSON message body")
	}
	delete(m.PerKind, "default")
	m.Body = body
	return nil
}

// checkOrder holds what concerns order against the type of the topic.
func checkOrder(t *topic, m *message) error {
	if !t.fifo() {
		if m.Dedup != "" {
			return invalid("MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type")
		}
		return nil
	}
	if m.Group == "" {
		return invalid("The MessageGroupId parameter is required for FIFO topics")
	}
	if !orderID.MatchString(m.Group) {
		return invalid("MessageGroupId")
	}
	if m.Dedup == "" {
		if t.Attributes["ContentBasedDeduplication"] != "true" {
			return invalid("The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
		}
		sum := sha256.Sum256([]byte(m.Body))
		m.Dedup = hex.EncodeToString(sum[:])
	} else if !orderID.MatchString(m.Dedup) {
		return invalid("MessageDeduplicationId")
	}
	return nil
}

// orderID is the form of ids of groups and of deduplication.
var orderID = regexp.MustCompile("^[a-zA-Z0-9!\"#$%&'()*+,./:;<=>?@\\[\\]\\\\^_`{|}~-]{1,128}$")

// post stores messages and to whom they go, in one transaction, and lets them be
// delivered.
func (s *Service) post(ctx context.Context, at topicRef, list []*outgoing) error {
	if strings.HasSuffix(at.name, ".fifo") {
		unlock := s.groups.lock(at, list)
		defer unlock()
		if err := s.number(ctx, at, list); err != nil {
			return err
		}
	} else {
		for _, m := range list {
			m.number = m.Time.UnixNano()
		}
	}
	var view *topicView
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if view, err = s.view(ctx, tx, at); err != nil {
			return err
		}
		for _, m := range list {
			if err := s.put(ctx, tx, at, view, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.measurePublished(at, list)
	for _, m := range list {
		if len(m.fan.Targets) > 0 {
			s.deliveries.add(flightKey{at, m.number, m.ID}, &m.message, m.fan.Targets)
		}
	}
	return nil
}

func (s *Service) put(ctx context.Context, tx store.Tx, at topicRef, view *topicView, m *outgoing) error {
	m.fan, m.twice, m.filtered = fan{}, false, 0
	if err := checkOrder(&view.topic, &m.message); err != nil {
		return err
	}
	if view.topic.fifo() {
		known, err := s.deduplicate(ctx, tx, at, view, m)
		if err != nil || known {
			return err
		}
		if days, _ := archiveDays(view.topic.Attributes["ArchivePolicy"]); days > 0 {
			until := m.Time.AddDate(0, 0, days)
			if err := archiveMessages.PutExpiring(tx, at.scope, m.message, until, at.name, m.Time.UnixMilli(), m.number, m.ID); err != nil {
				return err
			}
		}
	}
	for _, sub := range view.subs {
		if sub.wants(&m.message) {
			m.fan.Targets = append(m.fan.Targets, target{Sub: sub.ID})
		} else if !sub.Pending {
			m.filtered++
		}
	}
	if len(m.fan.Targets) == 0 {
		return nil
	}
	if err := messages.Put(tx, at.scope, m.message, at.name, m.number, m.ID); err != nil {
		return err
	}
	return fans.Put(tx, at.scope, m.fan, at.name, m.number, m.ID)
}

// wants reports whether a subscription gets a message.
func (s *subscriber) wants(m *message) bool {
	if s.Pending {
		return false
	}
	if s.filter == nil {
		return true
	}
	if s.scope == filter.Body {
		return s.filter.MatchBody(m.body(s.Protocol))
	}
	return s.filter.MatchAttributes(func(name string) (filter.Attribute, bool) {
		a, ok := m.attribute(name)
		return filter.Attribute{Type: a.Type, Value: a.Value}, ok
	})
}

// deduplicate notes a message of a FIFO topic, or finds that it came before: then it is
// answered as it was, and goes nowhere.
func (s *Service) deduplicate(ctx context.Context, tx store.Tx, at topicRef, view *topicView, m *outgoing) (known bool, err error) {
	group := ""
	if view.topic.Attributes["FifoThroughputScope"] == "MessageGroup" {
		group = m.Group
	}
	have, err := duplicates.Get(ctx, tx, at.scope, at.name, group, m.Dedup)
	if err == nil {
		m.ID, m.Sequence, m.twice = have.ID, have.Sequence, true
		return true, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	return false, duplicates.PutExpiring(tx, at.scope, duplicate{m.ID, m.Sequence}, m.Time.Add(dedupWindow), at.name, group, m.Dedup)
}

// groupLocks let the messages of one group be published one after the other, so that
// they are delivered in the order of their numbers.
type groupLocks struct {
	once sync.Once
	seed maphash.Seed
	all  [256]sync.Mutex
}

// lock takes the locks of the messages' groups, in an order that all keep.
func (g *groupLocks) lock(at topicRef, list []*outgoing) (unlock func()) {
	g.once.Do(func() { g.seed = maphash.MakeSeed() })
	var want [256]bool
	for _, m := range list {
		want[maphash.String(g.seed, at.name+"\x00"+m.Group)%256] = true
	}
	for i := range want {
		if want[i] {
			g.all[i].Lock()
		}
	}
	return func() {
		for i := range want {
			if want[i] {
				g.all[i].Unlock()
			}
		}
	}
}

// numbers gives out sequence numbers, in blocks that are noted in the store: what is
// left of a block when the process ends is skipped.
type numbers struct {
	mu   sync.Mutex
	next map[topicRef]*block
}

type block struct{ next, end int64 }

const blockSize = 1000

func (s *Service) number(ctx context.Context, at topicRef, list []*outgoing) error {
	n := &s.numbers
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.next[at]
	if b == nil {
		b = &block{}
		n.next[at] = b
	}
	for _, m := range list {
		if b.next == b.end {
			var end int64
			err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
				end, err = sequence.Add(ctx, tx, at.scope, blockSize, at.name)
				return err
			})
			if err != nil {
				return err
			}
			b.next, b.end = end-blockSize, end
		}
		m.number = b.next
		m.Sequence = fmt.Sprintf("1%015d0000", b.next)
		b.next++
	}
	return nil
}

const (
	maxBatch   = 10
	maxEntryID = 80
)

var entryID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

func (s *Service) publishBatch(ctx context.Context, in *api.PublishBatchInput) (*api.PublishBatchResponse, error) {
	list := in.PublishBatchRequestEntries
	if err := checkBatch(list); err != nil {
		return nil, err
	}
	at, err := parseRef(ctx, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	total := 0
	out := make([]*outgoing, len(list))
	for i := range list {
		e := &list[i]
		m, err := s.newMessage(ctx, entry{e.Message, e.Subject, e.MessageStructure, e.MessageGroupId, e.MessageDeduplicationId, e.MessageAttributes})
		if err != nil && err.Error() != invalid("Message too long").Error() {
			return nil, err
		}
		if err == nil {
			total += m.size(*e.Message)
		}
		if err != nil || total > maxMessage {
			return nil, api.BatchRequestTooLongException("The length of all the messages put together is more than the limit.")
		}
		out[i] = &outgoing{message: *m}
	}
	if err := s.post(ctx, at, out); err != nil {
		return nil, err
	}
	res := &api.PublishBatchResponse{Successful: []api.PublishBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	for i, m := range out {
		r := api.PublishBatchResultEntry{Id: list[i].Id, MessageId: &m.ID}
		if m.Sequence != "" {
			r.SequenceNumber = &m.Sequence
		}
		res.Successful = append(res.Successful, r)
	}
	return res, nil
}

func checkBatch(list []api.PublishBatchRequestEntry) error {
	switch {
	case len(list) == 0:
		return api.EmptyBatchRequestException("The batch request doesn't contain any entries.")
	case len(list) > maxBatch:
		return api.TooManyEntriesInBatchRequestException("The batch request contains more entries than permissible.")
	}
	seen := map[string]bool{}
	for i := range list {
		if id := *list[i].Id; seen[id] {
			return api.BatchEntryIdsNotDistinctException("Two or more batch entries in the request have the same Id.")
		}
		seen[*list[i].Id] = true
	}
	for i := range list {
		switch id := *list[i].Id; {
		case len(id) > maxEntryID:
			return api.InvalidBatchEntryIdException("The Id of a batch entry in the batch request is too long: %s", id)
		case !entryID.MatchString(id):
			return api.InvalidBatchEntryIdException("The Id of a batch entry in the batch request contains an impermissible character: %s", id)
		}
	}
	return nil
}
