package front

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"runtime/debug"
	"slices"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/wire"
	"github.com/tule-cloud/tule/wire/sigv4"
)

// decode reads the input and checks it against the model.
func (f *Front) decode(c *call) (any, error) {
	if !c.op.StreamsIn {
		if err := f.readBody(c); err != nil {
			return nil, err
		}
		if c.protocol == aws.RestXML {
			if err := sigv4.CheckSums(c.r.Header, c.body); err != nil {
				return nil, err
			}
		}
		c.addressed()
		c.r.Body = wire.NewBody(c.body)
	}
	in := c.route.New()
	if err := wire.Decode(c.protocol, c.op, c.r, c.params, in); err != nil {
		return nil, badBody(err)
	}
	if err := wire.Validate(c.op, in); err != nil {
		return nil, err
	}
	return in, nil
}

// addressed adds to a query the address that it was sent to, where that says which
// resource is meant: old clients post to a queue's URL and do not repeat it.
func (c *call) addressed() {
	member := c.service.Model.URLMember
	if member == "" || c.protocol != aws.Query || c.r.URL.Path == "/" || c.values().Has(member) {
		return
	}
	for pair := range bytes.SplitSeq(c.body, []byte("&")) {
		if bytes.HasPrefix(pair, []byte(member+"=")) {
			return
		}
	}
	address := member + "=" + url.QueryEscape(c.req.Scheme+"://"+c.req.Host+c.r.URL.EscapedPath())
	if len(c.body) > 0 {
		address = "&" + address
	}
	c.body = append(slices.Clip(c.body), address...)
}

// dispatch asks whether the caller of ctx may, and has the route answer e.In.
func (f *Front) dispatch(ctx context.Context, r aws.Route, e *aws.Event) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s.%s panicked: %v\n%s", r.Op.Service.Package, r.Op.Name, p, debug.Stack())
		}
	}()
	if err := f.authorise(ctx, r, e); err != nil {
		return err
	}
	e.Out, err = r.Call(ctx, e.In)
	return err
}

// Call implements aws.Peers: one service calls an operation of another, as the
// caller of ctx, held to the same model and the same policies as from outside.
func (f *Front) Call(ctx context.Context, op *aws.Operation, in any) (any, error) {
	start := f.Clock.Now()
	route, ok := f.routes[op]
	if !ok {
		return nil, aws.Unanswered(op)
	}
	if err := wire.Validate(op, in); err != nil {
		return nil, err
	}
	req := aws.RequestOf(ctx)
	if req.Service != op.Service.SigningName {
		other := *req
		other.Service = op.Service.SigningName
		req, ctx = &other, aws.WithRequest(ctx, &other)
	}
	e := aws.Event{Request: req, Op: op, Within: true, In: in}
	err := f.dispatch(ctx, route, &e)
	e.Took = f.Clock.Now().Sub(start)
	f.metrics.within(op, err, e.Took)
	f.logWithin(ctx, op, err)
	f.audit(ctx, &e, err)
	if err != nil {
		return nil, err
	}
	return e.Out, nil
}

// respond puts the output on the wire.
func (f *Front) respond(c *call, out any) error {
	res, err := wire.Marshal(c.protocol, c.op, out, c.req.ID)
	if err != nil {
		return err
	}
	f.send(c, res)
	return nil
}

// refuse puts an error on the wire.
func (f *Front) refuse(c *call, err error) {
	c.err = f.toError(c, err)
	if c.w.status != 0 {
		return // the answer has begun; all that is left is to end it
	}
	protocol, model := c.protocol, (*aws.Service)(nil)
	if c.service != nil {
		model = c.service.Model
	}
	if protocol == "" {
		protocol = aws.RestJSON
	}
	f.send(c, wire.MarshalError(protocol, model, c.err, c.req.ID))
}
