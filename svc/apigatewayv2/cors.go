package apigatewayv2

import (
	"context"
	"errors"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigatewayv2"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// checkCors holds a configuration against what AWS takes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
func checkCors(c *api.Cors) error {
	if c == nil {
		return nil
	}
	if aws.Value(c.AllowCredentials) && slices.Contains(c.AllowOrigins, "*") {
		return api.BadRequestException("Wildcard character * is not allowed for allowOrigins when allowCredentials is true")
	}
	for _, o := range c.AllowOrigins {
		scheme, host, ok := strings.Cut(o, "://")
		if o != "*" && (!ok || scheme == "" || host == "") {
			return api.BadRequestException("Invalid format for origin %s", o)
		}
	}
	return nil
}

func (s *Service) deleteCors(ctx context.Context, in *api.DeleteCorsConfigurationRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		a, err := lookup(ctx, tx, in.ApiId)
		if err != nil {
			return err
		}
		a.CorsConfiguration = nil
		return errors.Join(apis.Put(tx, scope(ctx), a, *a.ApiId), s.redeploy(ctx, tx, &a))
	})
}
