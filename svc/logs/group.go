package logs

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	api "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A group is the record of a log group. Its id is never given out again, so the
// events of a group that was deleted are never those of its successor.
type group struct {
	ID        uint64
	Created   int64 // milliseconds
	Class     string
	Retention int32             `json:",omitempty"` // days; 0 keeps events for ever
	Protected bool              `json:",omitempty"` // from deletion
	Tags      map[string]string `json:",omitempty"`
	Key       string            `json:",omitempty"` // the ARN of a KMS key, which is not used
	Fed       bool              `json:",omitempty"` // there are subscription filters
	Gauges    uint32            `json:",omitempty"` // how often the metric filters have changed
	Index     *indexPolicy      `json:",omitempty"`
}

const dayMillis = 24 * 60 * 60 * 1000

// since is the time of the oldest event that g still has at now, in milliseconds.
func (g *group) since(now int64) int64 {
	if g.Retention == 0 {
		return 0
	}
	return max(now-int64(g.Retention)*dayMillis, 0)
}

func scopeOf(ctx context.Context) store.Scope {
	r := aws.RequestOf(ctx)
	return store.Scope{Account: r.Account(), Region: r.Region}
}

func (s *Service) now() int64 { return s.clock.Now().UnixMilli() }

// newID is an identifier for a group or stream, as chance has it.
func (s *Service) newID() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

// errNoGroup is AWS's answer for a group that is not there.
func errNoGroup() error {
	return api.ResourceNotFoundException("The specified log group does not exist.")
}

// groupNamed reads the group called name.
func groupNamed(ctx context.Context, r store.Reader, sc store.Scope, name string) (group, error) {
	g, err := groups.Get(ctx, r, sc, name)
	if errors.Is(err, store.ErrNotFound) {
		return g, errNoGroup()
	}
	return g, err
}

func (s *Service) createLogGroup(ctx context.Context, in *api.CreateLogGroupRequest) (*aws.Empty, error) {
	name, sc := *in.LogGroupName, scopeOf(ctx)
	if len(name) >= 4 && strings.EqualFold(name[:4], "aws/") {
		return nil, api.InvalidParameterException("Log groups starting with AWS/ are reserved for AWS.")
	}
	if in.KmsKeyId != nil {
		if err := checkKey(*in.KmsKeyId); err != nil {
			return nil, err
		}
	}
	if err := checkTags(nil, in.Tags); err != nil {
		return nil, err
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	g := group{ID: id, Created: s.now(), Class: api.LogGroupClassStandard, Tags: in.Tags, Protected: aws.Value(in.DeletionProtectionEnabled), Key: aws.Value(in.KmsKeyId)}
	if in.LogGroupClass != nil {
		g.Class = *in.LogGroupClass
	}
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		switch there, err := groups.Has(ctx, tx, sc, name); {
		case err != nil:
			return err
		case there:
			return api.ResourceAlreadyExistsException("The specified log group already exists")
		}
		return groups.Put(tx, sc, g, name)
	})
}

func (s *Service) deleteLogGroup(ctx context.Context, in *api.DeleteLogGroupRequest) (*aws.Empty, error) {
	name, sc := *in.LogGroupName, scopeOf(ctx)
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, name)
		if err != nil {
			return err
		}
		if g.Protected {
			return api.ValidationException("The log group has deletion protection enabled. Disable deletion protection before deleting the log group.")
		}
		return errors.Join(
			groups.Delete(tx, sc, name),
			streams.DeleteAll(tx, sc, g.ID),
			names.DeleteAll(tx, sc, g.ID),
			tails.DeleteAll(tx, sc, g.ID),
			chunks.DeleteAll(tx, sc, g.ID),
			contents.DeleteAll(tx, sc, g.ID),
			index.DeleteAll(tx, sc, g.ID),
			doomed.DeleteAll(tx, sc, g.ID),
			metrics.DeleteAll(tx, sc, name),
			subscriptions.DeleteAll(tx, sc, g.ID),
			positions.DeleteAll(tx, sc, g.ID),
			arrivals.DeleteAll(tx, sc, g.ID),
		)
	})
}

// changeGroup rewrites the record of a group.
func (s *Service) changeGroup(ctx context.Context, name string, change func(*group) error) error {
	sc := scopeOf(ctx)
	return s.store.Update(ctx, func(tx store.Tx) error {
		g, err := groupNamed(ctx, tx, sc, name)
		if err != nil {
			return err
		}
		if err := change(&g); err != nil {
			return err
		}
		return groups.Put(tx, sc, g, name)
	})
}

func (s *Service) putLogGroupDeletionProtection(ctx context.Context, in *api.PutLogGroupDeletionProtectionRequest) (*aws.Empty, error) {
	name, err := groupIdentified(ctx, *in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	return nil, s.changeGroup(ctx, name, func(g *group) error {
		g.Protected = *in.DeletionProtectionEnabled
		return nil
	})
}
