package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	api "github.com/tule-cloud/tule/api/events"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// archive is what is kept of one, beside the events in it.
type archive struct {
	Name        string
	Number      int64 // tells it from an archive of the same name that was
	Bus         string
	Description string `json:",omitempty"`
	Pattern     string `json:",omitempty"`
	KMSKey      string `json:",omitempty"`
	Days        int32  // for how long an event is kept; 0 is for ever
	Created     time.Time
}

// archiveNumbers count the archives that were.
var archiveNumbers = store.NewCounter("events", "archive-number")

func archiveARN(scope store.Scope, name string) string {
	return aws.NewARN("events", scope.Region, scope.Account, "archive/"+name).String()
}

func noArchive(name string) *aws.Error {
	return api.ResourceNotFoundException("Archive %s does not exist.", name)
}

func getArchive(ctx context.Context, r store.Reader, scope store.Scope, name string) (archive, error) {
	a, err := archives.Get(ctx, r, scope, name)
	if errors.Is(err, store.ErrNotFound) {
		return a, noArchive(name)
	}
	return a, err
}

// archiver is whose rule an archive shows on its bus.
const archiver = "prod.vhs.events.aws.internal"

// rule is what an archive shows on its bus: nobody may change it, and it sends nothing, since
// events go to archives by themselves.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive-event.html
func (a *archive) rule(account string) (rule, error) {
	only := map[string]json.RawMessage{}
	if a.Pattern != "" {
		if err := json.Unmarshal([]byte(a.Pattern), &only); err != nil {
			return rule{}, err
		}
	}
	only["replay-name"] = json.RawMessage(`[{"exists":false}]`)
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(only); err != nil {
		return rule{}, err
	}
	return rule{Name: "Events-Archive-" + a.Name, Pattern: string(bytes.TrimSpace(text.Bytes())), State: api.RuleStateEnabled, ManagedBy: archiver, CreatedBy: account}, nil
}

// put writes an archive and its rule.
func (a *archive) put(ctx context.Context, tx store.Tx, scope store.Scope) error {
	r, err := a.rule(scope.Account)
	if err != nil {
		return err
	}
	if err := rules.Put(tx, scope, r, a.Bus, r.Name); err != nil {
		return err
	}
	if err := changed(ctx, tx, busRef{scope, a.Bus}, change{Archive: a.Name}); err != nil {
		return err
	}
	return archives.Put(tx, scope, *a, a.Name)
}

// keep stores an event in an archive. What is replayed is not archived again.
func (s *Service) keep(tx store.Tx, a *archive, in *arrival) error {
	if in.ev.ReplayName != "" {
		return nil
	}
	now := s.Clock.Now().UTC().Round(0)
	key := []any{a.Name, a.Number, in.ev.happened(), now, in.ev.ID}
	if a.Days == 0 {
		return archived.Put(tx, in.bus.scope, in.text, key...)
	}
	return archived.PutExpiring(tx, in.bus.scope, in.text, now.AddDate(0, 0, int(a.Days)), key...)
}

func (s *Service) createArchive(ctx context.Context, in *api.CreateArchiveRequest) (*api.CreateArchiveResponse, error) {
	scope := scopeOf(ctx)
	at, ok := parseBus(*in.EventSourceArn)
	if !ok || at.scope != scope {
		return nil, invalid("Parameter EventSourceArn is not valid. Reason: Must contain an event bus ARN.")
	}
	if in.EventPattern != nil && *in.EventPattern != "" {
		if err := checkPattern(*in.EventPattern); err != nil {
			return nil, err
		}
	}
	a := archive{Name: *in.ArchiveName, Bus: at.name, Description: aws.Value(in.Description), Pattern: aws.Value(in.EventPattern), KMSKey: aws.Value(in.KmsKeyIdentifier),
		Days: aws.Value(in.RetentionDays), Created: s.Clock.Now()}
	err := s.Store.Update(ctx, func(tx store.Tx) error {
		if has, err := archives.Has(ctx, tx, scope, a.Name); err != nil {
			return err
		} else if has {
			return api.ResourceAlreadyExistsException("Archive %s already exists.", a.Name)
		}
		if _, err := getBus(ctx, tx, at); err != nil {
			return err
		}
		var err error
		if a.Number, err = archiveNumbers.Next(ctx, tx, scope, "n"); err != nil {
			return err
		}
		return a.put(ctx, tx, scope)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateArchiveResponse{ArchiveArn: new(archiveARN(scope, a.Name)), CreationTime: moment(a.Created), State: new(api.ArchiveStateEnabled)}, nil
}

func (s *Service) updateArchive(ctx context.Context, in *api.UpdateArchiveRequest) (*api.UpdateArchiveResponse, error) {
	if in.EventPattern == nil && in.RetentionDays == nil && in.Description == nil && in.KmsKeyIdentifier == nil {
		return nil, invalid("At least one of EventPattern, RetentionDays or Description must be provided.")
	}
	if in.EventPattern != nil && *in.EventPattern != "" {
		if err := checkPattern(*in.EventPattern); err != nil {
			return nil, err
		}
	}
	scope := scopeOf(ctx)
	var a archive
	err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
		if a, err = getArchive(ctx, tx, scope, *in.ArchiveName); err != nil {
			return err
		}
		for _, set := range []struct{ from, to *string }{{in.EventPattern, &a.Pattern}, {in.Description, &a.Description}, {in.KmsKeyIdentifier, &a.KMSKey}} {
			if set.from != nil {
				*set.to = *set.from
			}
		}
		if in.RetentionDays != nil {
			a.Days = *in.RetentionDays
		}
		return a.put(ctx, tx, scope)
	})
	if err != nil {
		return nil, err
	}
	return &api.UpdateArchiveResponse{ArchiveArn: new(archiveARN(scope, a.Name)), CreationTime: moment(a.Created), State: new(api.ArchiveStateEnabled)}, nil
}

func (s *Service) deleteArchive(ctx context.Context, in *api.DeleteArchiveRequest) (*api.DeleteArchiveResponse, error) {
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		a, err := getArchive(ctx, tx, scope, *in.ArchiveName)
		if err != nil {
			return err
		}
		if err := changed(ctx, tx, busRef{scope, a.Bus}, change{Archive: a.Name}); err != nil {
			return err
		}
		if err := archived.DeleteAll(tx, scope, a.Name, a.Number); err != nil {
			return err
		}
		if err := rules.Delete(tx, scope, a.Bus, "Events-Archive-"+a.Name); err != nil {
			return err
		}
		return archives.Delete(tx, scope, a.Name)
	})
}

// size counts what is in an archive.
func (a *archive) size(ctx context.Context, r store.Reader, scope store.Scope) (events, bytes int64, err error) {
	for e, err := range archived.List(ctx, r, scope, store.ListOptions{Prefix: []any{a.Name, a.Number}}) {
		if err != nil {
			return 0, 0, err
		}
		events, bytes = events+1, bytes+int64(len(e.Record))
	}
	return events, bytes, nil
}

func (s *Service) describeArchive(ctx context.Context, in *api.DescribeArchiveRequest) (*api.DescribeArchiveResponse, error) {
	scope := scopeOf(ctx)
	out := &api.DescribeArchiveResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		a, err := getArchive(ctx, r, scope, *in.ArchiveName)
		if err != nil {
			return err
		}
		n, size, err := a.size(ctx, r, scope)
		if err != nil {
			return err
		}
		*out = api.DescribeArchiveResponse{ArchiveArn: new(archiveARN(scope, a.Name)), ArchiveName: &a.Name, CreationTime: moment(a.Created), Description: text(a.Description), EventCount: &n,
			EventPattern: text(a.Pattern), EventSourceArn: new(busRef{scope, a.Bus}.arn()), KmsKeyIdentifier: text(a.KMSKey), RetentionDays: &a.Days, SizeBytes: &size, State: new(api.ArchiveStateEnabled)}
		return nil
	})
}

func (s *Service) listArchives(ctx context.Context, in *api.ListArchivesRequest) (*api.ListArchivesResponse, error) {
	scope := scopeOf(ctx)
	p, err := newPage(in.NamePrefix, in.Limit, in.NextToken)
	if err != nil {
		return nil, err
	}
	given := 0
	for _, is := range []bool{in.NamePrefix != nil, in.EventSourceArn != nil, in.State != nil} {
		if is {
			given++
		}
	}
	if given > 1 {
		return nil, invalid("At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.")
	}
	out := &api.ListArchivesResponse{}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		if in.EventSourceArn != nil {
			if at, ok := parseBus(*in.EventSourceArn); ok {
				if _, err := getBus(ctx, r, at); err != nil {
					return err
				}
			}
		}
		out.Archives = []api.Archive{}
		var failed error
		out.NextToken, err = walk(ctx, r, archives, scope, nil, p, func(name string, a *archive) bool {
			source := busRef{scope, a.Bus}.arn()
			if in.EventSourceArn != nil && *in.EventSourceArn != source || in.State != nil && *in.State != api.ArchiveStateEnabled {
				return false
			}
			n, size, err := a.size(ctx, r, scope)
			failed = errors.Join(failed, err)
			out.Archives = append(out.Archives, api.Archive{ArchiveName: &name, CreationTime: moment(a.Created), EventCount: &n, EventSourceArn: &source, RetentionDays: &a.Days, SizeBytes: &size, State: new(api.ArchiveStateEnabled)})
			return true
		})
		return errors.Join(failed, err)
	})
}
