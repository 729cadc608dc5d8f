package main

import (
	s3api "github.com/tule-cloud/tule/api/s3"
	controlapi "github.com/tule-cloud/tule/api/s3control"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/svc/s3"
)

// objects makes S3 and opens the door to it: on hosts that are buckets', to web pages
// that buckets let in, to visitors of websites and to forms.
func (h *house) objects() (*s3.Service, error) {
	blobs, err := blob.OpenFolder(h.in("objects"), h.random)
	if err != nil {
		return nil, err
	}
	objects := s3.New(s3.Options{Store: h.store, Blobs: blobs, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics,
		Allow: h.front.Allow, Open: h.openBuckets(), Vouch: h.front.Vouch})
	control := objects.Control()
	h.front.Add(front.Service{Model: controlapi.Service, Operations: controlapi.Operations(), Routes: control.Routes(), Within: control.Within})
	h.front.Add(front.Service{Model: s3api.Service, Operations: s3api.Operations(), Routes: objects.Routes(), Within: s3.Within, CORS: objects.CORS},
		objects.Planes()...)
	return objects, nil
}
