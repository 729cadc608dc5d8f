package apigateway

import (
	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
)

// accessRoutes are the operations on who callers are taken for, and by what names.
func (s *Service) accessRoutes() []aws.Route {
	return []aws.Route{
		at(s, &api.CreateAuthorizer, s.createAuthorizer, askCreateAuthorizer),
		at(s, &api.GetAuthorizer, s.getAuthorizer),
		at(s, &api.GetAuthorizers, s.getAuthorizers),
		at(s, &api.UpdateAuthorizer, s.updateAuthorizer, s.askUpdateAuthorizer),
		at(s, &api.DeleteAuthorizer, s.deleteAuthorizer, s.askDeleteAuthorizer),
		at(s, &api.TestInvokeAuthorizer, s.testInvokeAuthorizer),
		at(s, &api.FlushStageAuthorizersCache, s.flushAuthorizers),
	}
}
