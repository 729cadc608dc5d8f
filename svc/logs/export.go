package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	api "github.com/tule-cloud/tule/api/logs"
	s3api "github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// An export is the record of an export task, under its id.
type export struct {
	Name        string `json:",omitempty"`
	Group       string
	Stream      string `json:",omitempty"` // the beginning of the streams' names
	From, To    int64  // milliseconds
	Bucket      string
	Prefix      string
	Status      string
	Message     string `json:",omitempty"`
	Created     int64  // milliseconds
	Completed   int64  `json:",omitempty"`
	Destination string `json:",omitempty"`
}

const defaultPrefix = "exportedlogs"

// active reports whether the task has still to be done.
func (e *export) active() bool {
	return e.Status == api.ExportTaskStatusCodePending || e.Status == api.ExportTaskStatusCodeRunning || e.Status == api.ExportTaskStatusCodePendingCancel
}

func (s *Service) createExportTask(ctx context.Context, in *api.CreateExportTaskRequest) (*api.CreateExportTaskResponse, error) {
	sc, name := scopeOf(ctx), *in.LogGroupName
	if *in.From >= *in.To {
		return nil, api.InvalidParameterException("Fetch start time must be before fetch end time.")
	}
	e := export{Name: aws.Value(in.TaskName), Group: name, Stream: aws.Value(in.LogStreamNamePrefix), From: *in.From, To: *in.To,
		Bucket: *in.Destination, Prefix: defaultPrefix, Status: api.ExportTaskStatusCodePending, Created: s.now()}
	if in.DestinationPrefix != nil && *in.DestinationPrefix != "" {
		e.Prefix = strings.TrimSuffix(*in.DestinationPrefix, "/")
	}
	err := s.store.View(ctx, func(r store.Reader) error {
		if _, err := groupNamed(ctx, r, sc, name); err != nil {
			return err
		}
		return idle(ctx, r, sc)
	})
	if err != nil {
		return nil, err
	}
	if err := s.checkBucket(ctx, sc, &e); err != nil {
		return nil, err
	}
	id := aws.RandomUUID(s.random)
	err = s.store.Update(ctx, func(tx store.Tx) error {
		if err := idle(ctx, tx, sc); err != nil {
			return err
		}
		return errors.Join(exports.Put(tx, sc, e, id), jobs.Put(tx, sc, nil, exportJob, id))
	})
	if err != nil {
		return nil, err
	}
	s.workshop.wake()
	return &api.CreateExportTaskResponse{TaskId: &id}, nil
}

// idle is an error while an account has an export: one is made at a time.
func idle(ctx context.Context, r store.Reader, sc store.Scope) error {
	for e, err := range exports.List(ctx, r, sc, store.ListOptions{}) {
		if err != nil {
			return err
		}
		if e.Record.active() {
			return api.LimitExceededException("Resource limit exceeded.")
		}
	}
	return nil
}

// asExporter is a context in which this service, by one of its names, writes for a group.
func (s *Service) asExporter(ctx context.Context, who string, sc store.Scope, group string) context.Context {
	f := feed{Scope: sc, group: group}
	return s.acting(ctx, &receiver{ARN: aws.ARN{Region: sc.Region}}, aws.ServiceCaller(who, sc.Account, f.sourceARN()))
}

// checkBucket finds out whether the bucket lets itself be written to.
func (s *Service) checkBucket(ctx context.Context, sc store.Scope, e *export) error {
	var err error
	for _, who := range principals(sc.Region) {
		if _, err = s3api.GetBucketAcl.Do(s.asExporter(ctx, who, sc, e.Group), s.peers, &s3api.GetBucketAclRequest{Bucket: &e.Bucket}); err == nil {
			break
		}
	}
	if err != nil {
		if aws.CodeOf(err) == "NoSuchBucket" {
			return api.ResourceNotFoundException("The given bucket does not exist. Please check the destination bucket name.").Because(err)
		}
		return api.InvalidParameterException("GetBucketAcl call on the given bucket failed. Please check if CloudWatch Logs has been granted permission to perform this operation.").Because(err)
	}
	if err := s.putObject(ctx, sc, e, e.Prefix+"/aws-logs-write-test", []byte("Permission Check Successful")); err != nil {
		return api.InvalidParameterException("PutObject call on the given bucket failed. Please check if CloudWatch Logs has been granted permission to perform this operation.").Because(err)
	}
	return nil
}

func (s *Service) putObject(ctx context.Context, sc store.Scope, e *export, key string, content []byte) (err error) {
	size := int64(len(content))
	for _, who := range principals(sc.Region) {
		in := &s3api.PutObjectRequest{Bucket: &e.Bucket, Key: &key, Body: bytes.NewReader(content), ContentLength: &size}
		if _, err = s3api.PutObject.Do(s.asExporter(ctx, who, sc, e.Group), s.peers, in); !denied(err) {
			return err
		}
	}
	return err
}

func (s *Service) cancelExportTask(ctx context.Context, in *api.CancelExportTaskRequest) (*aws.Empty, error) {
	sc, id := scopeOf(ctx), *in.TaskId
	defer s.workshop.stop(job{sc, exportJob, id})
	return nil, s.store.Update(ctx, func(tx store.Tx) error {
		e, err := exports.Get(ctx, tx, sc, id)
		if errors.Is(err, store.ErrNotFound) {
			return api.ResourceNotFoundException("The specified export task does not exist.")
		}
		if err != nil {
			return err
		}
		if !e.active() {
			return api.InvalidOperationException("The specified export task has already finished.")
		}
		e.Status, e.Message, e.Completed = api.ExportTaskStatusCodeCancelled, "Cancelled by user", s.now()
		return errors.Join(exports.Put(tx, sc, e, id), jobs.Delete(tx, sc, exportJob, id))
	})
}

func (s *Service) describeExportTasks(ctx context.Context, in *api.DescribeExportTasksRequest) (*api.DescribeExportTasksResponse, error) {
	after, limit, err := pageOf(in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	o := store.ListOptions{}
	if after != "" {
		o.After = []any{after}
	}
	out := &api.DescribeExportTasksResponse{ExportTasks: []api.ExportTask{}}
	return out, s.store.View(ctx, func(r store.Reader) error {
		for e, err := range exports.List(ctx, r, scopeOf(ctx), o) {
			if err != nil {
				return err
			}
			id := e.Key.String(0)
			if in.TaskId != nil && *in.TaskId != id || in.StatusCode != nil && *in.StatusCode != e.Record.Status {
				continue
			}
			if n := len(out.ExportTasks); n == limit {
				out.NextToken = ptr(aws.Token(*out.ExportTasks[n-1].TaskId))
				return nil
			}
			out.ExportTasks = append(out.ExportTasks, e.Record.describe(id))
		}
		return nil
	})
}

func (e *export) describe(id string) api.ExportTask {
	d := api.ExportTask{TaskId: &id, LogGroupName: &e.Group, From: &e.From, To: &e.To, Destination: &e.Bucket, DestinationPrefix: &e.Prefix,
		Status: &api.ExportTaskStatus{Code: &e.Status}, ExecutionInfo: &api.ExportTaskExecutionInfo{CreationTime: &e.Created}}
	if e.Name != "" {
		d.TaskName = &e.Name
	}
	if e.Message != "" {
		d.Status.Message = &e.Message
	}
	if e.Completed != 0 {
		d.ExecutionInfo.CompletionTime = &e.Completed
	}
	return d
}

// runExport does a task from its beginning: after a restart it writes the same objects
// again.
func (s *Service) runExport(ctx context.Context, sc store.Scope, id string) error {
	var e export
	err := s.store.Update(ctx, func(tx store.Tx) (err error) {
		e, err = exports.Get(ctx, tx, sc, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && !e.active() {
			return jobs.Delete(tx, sc, exportJob, id)
		}
		if err != nil {
			return err
		}
		e.Status = api.ExportTaskStatusCodeRunning
		return exports.Put(tx, sc, e, id)
	})
	if err != nil || !e.active() {
		return err
	}
	failed := s.exportStreams(ctx, sc, id, &e)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return s.store.Update(ctx, func(tx store.Tx) error {
		now, err := exports.Get(ctx, tx, sc, id)
		if err != nil || !now.active() {
			return err // cancelled meanwhile
		}
		now.Status, now.Message, now.Completed = api.ExportTaskStatusCodeCompleted, "Completed successfully", s.now()
		if failed != nil {
			now.Status, now.Message = api.ExportTaskStatusCodeFailed, failed.Error()
		}
		return errors.Join(exports.Put(tx, sc, now, id), jobs.Delete(tx, sc, exportJob, id))
	})
}

// exportStreams writes an object for each stream that has events within the time.
func (s *Service) exportStreams(ctx context.Context, sc store.Scope, id string, e *export) error {
	type named struct {
		name string
		id   uint64
	}
	var g group
	var list []named
	err := s.store.View(ctx, func(r store.Reader) (err error) {
		if g, err = groupNamed(ctx, r, sc, e.Group); err != nil {
			return err
		}
		for st, err := range streams.List(ctx, r, sc, store.ListOptions{Prefix: []any{g.ID}}) {
			if err != nil {
				return err
			}
			if name := st.Key.String(1); strings.HasPrefix(name, e.Stream) {
				list = append(list, named{name, st.Record.ID})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, st := range list {
		sp := span{only: true, stream: st.id, from: place{At: max(e.From, g.since(s.now()))}, to: place{At: min(e.To, math.MaxInt64-1)}}
		// Slashes in a stream's name would be folders.
		folder := e.Prefix + "/" + id + "/" + strings.ReplaceAll(st.name, "/", "-")
		if err := s.exportStream(ctx, sc, e, g.ID, sp, folder); err != nil {
			return err
		}
	}
	return nil
}

// objectBytes is about how large an object of an export becomes.
const objectBytes = 16 << 20

// exportStream writes one stream's lines, as objects of a size that memory holds.
func (s *Service) exportStream(ctx context.Context, sc store.Scope, e *export, group uint64, sp span, folder string) error {
	for n := 0; ; n++ {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		var next *place
		lines := 0
		err := s.store.View(ctx, func(r store.Reader) error {
			for ev, err := range eventsIn(ctx, r, sc, group, sp) {
				if err != nil {
					return err
				}
				if b.Len() >= objectBytes {
					next = &ev.place
					return nil
				}
				lines++
				if _, err := fmt.Fprintf(z, "%s %s\n", time.UnixMilli(ev.At).UTC().Format("2006-01-02T15:04:05.000Z"), ev.message); err != nil {
					return err
				}
			}
			return nil
		})
		if err = errors.Join(err, z.Close()); err != nil || lines == 0 {
			return err
		}
		if err := s.putObject(ctx, sc, e, fmt.Sprintf("%s/%06d.gz", folder, n), b.Bytes()); err != nil || next == nil {
			return err
		}
		sp.from = *next
	}
}
