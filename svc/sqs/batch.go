package sqs

import (
	"context"
	"fmt"

	api "github.com/tule-cloud/tule/api/sqs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// checkBatch holds the ids of a batch's entries against AWS's rules.
func checkBatch(kind string, ids []*string) error {
	if len(ids) == 0 {
		return api.EmptyBatchRequest("There should be at least one %s in the request.", kind)
	}
	if len(ids) > 10 {
		return api.TooManyEntriesInBatchRequest("Maximum number of entries per request are 10. You have sent %d.", len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if id == nil || *id == "" || len(*id) > 80 || !alphanumeric(*id) {
			return api.InvalidBatchEntryId("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[*id] {
			return api.BatchEntryIdsNotDistinct("Id %s repeated.", *id)
		}
		seen[*id] = true
	}
	return nil
}

// outcome adds what became of an entry to a batch's answer, as a failure or by done.
func outcome(failures *[]api.BatchResultErrorEntry, id *string, err error, done func()) error {
	if err == nil {
		done()
		return nil
	}
	e, ok := failed(id, err)
	if !ok {
		return fmt.Errorf("entry %s: %w", *id, err)
	}
	*failures = append(*failures, e)
	return nil
}

func (s *Service) deleteMessageBatch(ctx context.Context, in *api.DeleteMessageBatchRequest) (*api.DeleteMessageBatchResult, error) {
	var ids []*string
	var handles []string
	for _, e := range in.Entries {
		ids, handles = append(ids, e.Id), append(handles, aws.Value(e.ReceiptHandle))
	}
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("DeleteMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	errs, err := s.deleteAll(ctx, q, handles)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteMessageBatchResult{Successful: []api.DeleteMessageBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	for i, id := range ids {
		if err := outcome(&out.Failed, id, errs[i], func() {
			out.Successful = append(out.Successful, api.DeleteMessageBatchResultEntry{Id: id})
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) changeMessageVisibilityBatch(ctx context.Context, in *api.ChangeMessageVisibilityBatchRequest) (*api.ChangeMessageVisibilityBatchResult, error) {
	var ids []*string
	var handles []string
	for _, e := range in.Entries {
		ids, handles = append(ids, e.Id), append(handles, aws.Value(e.ReceiptHandle))
	}
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch("ChangeMessageVisibilityBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	errs, err := s.each(ctx, q, handles, func(tx store.Tx, i int, h handle, hs *hints) error {
		if err := checkTimeout(in.Entries[i].VisibilityTimeout); err != nil {
			return err
		}
		return s.conceal(ctx, tx, q, h, handles[i], *in.Entries[i].VisibilityTimeout, hs)
	})
	if err != nil {
		return nil, err
	}
	out := &api.ChangeMessageVisibilityBatchResult{Successful: []api.ChangeMessageVisibilityBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	for i, id := range ids {
		if err := outcome(&out.Failed, id, errs[i], func() {
			out.Successful = append(out.Successful, api.ChangeMessageVisibilityBatchResultEntry{Id: id})
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Service) sendMessageBatch(ctx context.Context, in *api.SendMessageBatchRequest) (*api.SendMessageBatchResult, error) {
	q, err := s.view(ctx, in.QueueUrl)
	if err != nil {
		return nil, err
	}
	var ids []*string
	for i := range in.Entries {
		ids = append(ids, in.Entries[i].Id)
	}
	if err := checkBatch("SendMessageBatchRequestEntry", ids); err != nil {
		return nil, err
	}
	parcels, errs, err := s.packAll(ctx, q, in.Entries)
	if err != nil {
		return nil, err
	}
	if len(parcels) > 0 {
		if err := s.send(ctx, q, parcels); err != nil {
			return nil, err
		}
	}
	out := &api.SendMessageBatchResult{Successful: []api.SendMessageBatchResultEntry{}, Failed: []api.BatchResultErrorEntry{}}
	for i, id := range ids {
		if err := outcome(&out.Failed, id, errs[i], func() {
			r := parcels[0].receipt()
			r.Id, parcels = id, parcels[1:]
			out.Successful = append(out.Successful, r)
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// packAll makes parcels of a batch's entries, and says which it could not and why.
func (s *Service) packAll(ctx context.Context, q *queue, entries []api.SendMessageBatchRequestEntry) (parcels []*parcel, errs []error, err error) {
	total := 0
	errs = make([]error, len(entries))
	for i := range entries {
		p, err := s.pack(ctx, &entries[i])
		if err == nil {
			err = q.admit(p)
		}
		if err == nil {
			total += p.size()
			if p.size() > q.limits.size && q.limits.size < maxBatch {
				err = invalidParameter("One or more parameters cannot be validated. Reason: Message must be shorter than %d bytes.", q.limits.size)
			}
		}
		if err == nil {
			parcels = append(parcels, p)
		} else if aws.CodeOf(err) == "" || q.FIFO && wholeBatch(err) {
			return nil, nil, asParameter(err)
		}
		errs[i] = err
	}
	if total > maxBatch {
		return nil, nil, api.BatchRequestTooLong("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatch, total)
	}
	return parcels, errs, nil
}

// wholeBatch reports whether a mistake in one entry for a FIFO queue refuses all.
func wholeBatch(err error) bool {
	e, ok := err.(*aws.Error)
	return ok && (e.Message == "The request must contain the parameter MessageGroupId." || e.Message == needsID)
}

// asParameter is an error about a missing parameter as batches word it.
func asParameter(err error) error {
	if e, ok := err.(*aws.Error); ok && e.Code == "MissingRequiredParameterException" {
		return invalidParameter("%s", e.Message)
	}
	return err
}
