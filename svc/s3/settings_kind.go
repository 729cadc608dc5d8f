package s3

import (
	"context"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// A kind of settings, each of which is one structure of the API.
type kind[T any] struct {
	s    *Service
	name string
	// absent is the answer for a bucket that has none; nil: an empty structure.
	absent func(*bucket) error
}

// notThere is the error that a bucket lacks a setting.
func notThere(b *bucket, code, message string) error {
	return aws.Errorf(404, code, "%s", message).With(&struct{ BucketName string }{b.Name})
}

func errMalformed() error {
	return aws.Errorf(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// read is the route that shows a setting.
func read[In, T, Out any](op *aws.Op[In, Out], k kind[T], action string, of func(*In) (bucket, owner *string), show func(*T) *Out) aws.Route {
	return op.To(func(ctx context.Context, in *In) (out *Out, err error) {
		name, owner := of(in)
		err = k.s.onBucketRead(ctx, name, owner, func(r store.Reader, b *bucket) error {
			v, err := setting[T](ctx, r, b, k.name)
			if err != nil {
				return err
			}
			if v == nil && k.absent != nil {
				return k.absent(b)
			}
			if v == nil {
				v = new(T)
			}
			out = show(v)
			return nil
		})
		return out, err
	}, onBucket(k.s, func(in *In) *string { name, _ := of(in); return name }, action))
}

// write is the route that sets a setting, once check has passed and filled it.
func write[In, T any](op *aws.Op[In, aws.Empty], k kind[T], action string, of func(*In) (bucket, owner *string, v *T),
	check func(context.Context, store.Tx, *bucket, *T) error) aws.Route {
	return writeGuarded(op, k, onBucket(k.s, func(in *In) *string { name, _, _ := of(in); return name }, action), of, check)
}

// writeGuarded is write with a guard of its own.
func writeGuarded[In, T any](op *aws.Op[In, aws.Empty], k kind[T], guard aws.Guard[In], of func(*In) (bucket, owner *string, v *T),
	check func(context.Context, store.Tx, *bucket, *T) error) aws.Route {
	return op.To(func(ctx context.Context, in *In) (*aws.Empty, error) {
		name, owner, v := of(in)
		return nil, k.s.onBucketDo(ctx, name, owner, func(tx store.Tx, b *bucket) error {
			if check != nil {
				if err := check(ctx, tx, b, v); err != nil {
					return err
				}
			}
			return putSetting(tx, b, k.name, "", v)
		})
	}, guard)
}

// drop is the route that takes a setting away.
func drop[In, T any](op *aws.Op[In, aws.Empty], k kind[T], action string, of func(*In) (bucket, owner *string)) aws.Route {
	return op.To(func(ctx context.Context, in *In) (*aws.Empty, error) {
		name, owner := of(in)
		return nil, k.s.onBucketDo(ctx, name, owner, func(tx store.Tx, b *bucket) error { return dropSetting(tx, b, k.name, "") })
	}, onBucket(k.s, func(in *In) *string { name, _ := of(in); return name }, action))
}
