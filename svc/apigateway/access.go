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
		at(s, &api.CreateDomainName, s.createDomainName, askCreateDomain),
		at(s, &api.GetDomainName, s.getDomainName),
		at(s, &api.GetDomainNames, s.getDomainNames),
		at(s, &api.UpdateDomainName, s.updateDomainName, s.askUpdateDomain),
		at(s, &api.DeleteDomainName, s.deleteDomainName, s.askDeleteDomain),
		at(s, &api.CreateBasePathMapping, s.createBasePathMapping),
		at(s, &api.GetBasePathMapping, s.getBasePathMapping),
		at(s, &api.GetBasePathMappings, s.getBasePathMappings),
		at(s, &api.UpdateBasePathMapping, s.updateBasePathMapping),
		at(s, &api.DeleteBasePathMapping, s.deleteBasePathMapping),
		at(s, &api.GenerateClientCertificate, s.generateClientCertificate, askCertificate),
		at(s, &api.GetClientCertificate, s.getClientCertificate),
		at(s, &api.GetClientCertificates, s.getClientCertificates),
		at(s, &api.UpdateClientCertificate, s.updateClientCertificate),
		at(s, &api.DeleteClientCertificate, s.deleteClientCertificate),
		at(s, &api.CreateVpcLink, s.createVpcLink, askCreateLink),
		at(s, &api.GetVpcLink, s.getVpcLink),
		at(s, &api.GetVpcLinks, s.getVpcLinks),
		at(s, &api.UpdateVpcLink, s.updateVpcLink),
		at(s, &api.DeleteVpcLink, s.deleteVpcLink),
	}
}
