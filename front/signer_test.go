package front

import (
	"context"
	"net/http"
	"testing"

	"github.com/tule-cloud/tule/api/s3"
	"github.com/tule-cloud/tule/api/s3control"
	"github.com/tule-cloud/tule/aws"
)

// TestSharedSigner: of services that sign alike, where the host says nothing, the path
// tells which is meant.
func TestSharedSigner(t *testing.T) {
	f, _ := door(t, nil)
	f.Add(Service{Model: s3control.Service, Operations: s3control.Operations(), Routes: []aws.Route{
		s3control.ListTagsForResource.To(func(context.Context, *s3control.ListTagsForResourceRequest) (*s3control.ListTagsForResourceResult, error) {
			return nil, aws.Errorf(http.StatusTeapot, "Control", "")
		}, aws.Nothing)}})
	f.Add(Service{Model: s3.Service, Operations: s3.Operations(), Routes: []aws.Route{
		s3.GetObject.To(func(context.Context, *s3.GetObjectRequest) (*s3.GetObjectOutput, error) {
			return nil, aws.Errorf(http.StatusConflict, "Object", "")
		}, aws.Nothing)}})
	for target, want := range map[string]int{
		"/v20180820/tags/arn:aws:s3:::photos": http.StatusTeapot,
		"/v20180820/photo.jpg":                http.StatusConflict,
		"/photos/v20180820/tags":              http.StatusConflict,
	} {
		w := ask{method: "GET", target: target, key: "test", service: "s3", header: map[string]string{"X-Amz-Account-Id": "000000000000"}}.send(f)
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", target, w.Code, w.Body, want)
		}
	}
}
