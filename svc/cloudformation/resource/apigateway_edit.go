package resource

import (
	"strings"

	gatewayapi "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/ordered"
	"github.com/tule-cloud/tule/template"
)

// edits are the operations of a patch, by which API Gateway's resources are changed.
// https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
type edits struct {
	c   *Call
	ops []gatewayapi.PatchOperation
}

func (e *edits) op(op, path, value string) {
	p := gatewayapi.PatchOperation{Op: &op, Path: &path}
	if op != "remove" || value != "" {
		p.Value = &value
	}
	e.ops = append(e.ops, p)
}

// text replaces what a property is kept as, if it has changed: by otherwise where it was
// taken away.
func (e *edits) text(property, path, otherwise string) {
	if !e.c.Changed(property) {
		return
	}
	value := otherwise
	if e.c.Has(property) {
		value = Texted(e.c.Get(property))
	}
	e.op("replace", path, value)
}

// texts are properties that are kept under their own names, and empty where there is none.
func (e *edits) texts(properties ...string) {
	for _, p := range properties {
		e.text(p, "/"+lowerFirst(p), "")
	}
}

// entries brings what a path holds by name from old to now.
func (e *edits) entries(path string, old, now any) {
	was, _ := old.(*ordered.Object)
	is, _ := now.(*ordered.Object)
	if was == nil {
		was = ordered.New()
	}
	if is == nil {
		is = ordered.New()
	}
	for _, key := range was.Names() {
		if !is.Has(key) {
			e.op("remove", path+"/"+pointed(key), "")
		}
	}
	for _, key := range is.Names() {
		if !was.Has(key) || !template.Equal(was.Get(key), is.Get(key)) {
			e.op("replace", path+"/"+pointed(key), Texted(is.Get(key)))
		}
	}
}

// pointed is a name as a part of a path, RFC 6901.
func pointed(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// retagGateway brings the tags of what API Gateway knows by a path up to date.
func (c *Call) retagGateway(path string) error {
	arn := new("arn:aws:apigateway:" + c.Stack.Region + "::" + path)
	return Retag(c, &gatewayapi.TagResource, &gatewayapi.UntagResource,
		func(in *gatewayapi.TagResourceRequest) { in.ResourceArn = arn }, func(in *gatewayapi.UntagResourceRequest) { in.ResourceArn = arn })
}

// restAPI is the API that a part of one belongs to.
func (c *Call) restAPI() *string { return new(c.Text("RestApiId")) }
